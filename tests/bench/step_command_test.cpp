// `regatta bench step CONFIG --set graph=...` as a program: keys of the graph beside those of the
// configuration.
#include "data/run_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace regatta {
namespace {

using test::run_command;
using ::testing::HasSubstr;

constexpr int kUsage = 2;

/// Both outputs where `more` ends in 2>&1.
test::CommandResult bench_step_command(const std::string& more) {
  return run_command(std::string("'") + REGATTA_BINARY + "' bench step '" + REGATTA_SOURCE_DIR +
                     "/configs/cora.yaml' --threads 1 --repeats 3 --set runtime.device=cpu " +
                     more);
}

TEST(StepCommand, TrainsTheConfigurationsModelOnAGeneratedGraph) {
  const auto run = bench_step_command(
      "--set graph=clustered --set nodes=600 --set edges=3000 --set features=12 --set classes=4 "
      "--set seed=7 --set model.layers.0.attention=transformer");
  ASSERT_EQ(run.code, 0) << run.output;
  const auto report = nlohmann::json::parse(run.output);
  const nlohmann::json expected = {{"graph", "clustered"},
                                   {"nodes", 600},
                                   {"edges", 3000},
                                   {"seed", 7},
                                   {"features", 12},
                                   {"classes", 4}};
  EXPECT_EQ(report.at("graph"), expected);
  EXPECT_EQ(report.at("steps"), 3);
  EXPECT_GT(report.at("floor").get<double>(), 0);
  EXPECT_GE(report.at("memory").at("resident_peak"), report.at("memory").at("resident_before"));
}

TEST(StepCommand, TakesKeysOfAGraphOnlyWithOne) {
  const auto run = bench_step_command("--set nodes=600 2>&1");
  EXPECT_EQ(run.code, kUsage) << run.output;
  EXPECT_THAT(run.output, HasSubstr("nodes=600"));
  EXPECT_THAT(run.output, HasSubstr("--set graph=random"));
}

TEST(StepCommand, NamesTheGraphsWhereOneIsUnknown) {
  const auto run = bench_step_command("--set graph=randm 2>&1");
  EXPECT_EQ(run.code, kUsage) << run.output;
  EXPECT_THAT(run.output, HasSubstr("'randm'"));
  EXPECT_THAT(run.output, HasSubstr("power_law"));
}

TEST(StepCommand, RefusesWhatNeitherHas) {
  const auto run = bench_step_command("--set graph=random --set node=600 2>&1");
  EXPECT_EQ(run.code, kUsage) << run.output;
  EXPECT_THAT(run.output, HasSubstr("node"));
}

}  // namespace
}  // namespace regatta
