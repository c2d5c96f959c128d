// The report of `regatta bench layer` for every row of the attention table, and the case it writes.
#include "bench/layer_bench.h"

#include "bench/attention_floor.h"
#include "bench_report.h"
#include "core/error.h"
#include "nn/attention_layer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace regatta {
namespace {

class LayerBench : public ::testing::TestWithParam<std::string> {};

LayerBenchOptions small(const std::string& kind) {
  LayerBenchOptions options;
  options.graph.nodes = 300;
  options.graph.edges = 2000;
  options.features = 12;
  options.heads = 2;
  options.width = 5;
  options.kind = kind;
  options.attention_dropout = 0.4;
  options.message_dropout = 0.4;
  options.activation = "elu";
  options.repeats = 3;
  return options;
}

TEST_P(LayerBench, ReportsTimesFloorsMemoryAndErrors) {
  const auto report = bench_layer(small(GetParam()));
  test::expect_header(report);
  EXPECT_EQ(report.at("case").at("kind"), GetParam());
  EXPECT_EQ(report.at("case").at("activation"), "elu");
  for (const char* part : {"time", "processor_time", "forward", "backward"})
    test::expect_spread(report.at(part));
  EXPECT_GT(report.at("bounds").at("gemm_flop_per_second").get<double>(), 0);
  EXPECT_GE(report.at("memory").at("resident_peak"), report.at("memory").at("resident_before"));
  const auto& known = floor_kinds();
  if (std::find(known.begin(), known.end(), GetParam()) != known.end()) {
    const auto& floor = report.at("floor");
    EXPECT_NEAR(floor.at("step").get<double>(),
                floor.at("attention_forward").at("applies").get<double>() +
                    floor.at("attention_backward").at("applies").get<double>() +
                    floor.at("dense").get<double>(),
                1e-9);
    EXPECT_GT(floor.at("dense").get<double>(), 0);
  }
  EXPECT_THAT(report.at("errors").dump(), ::testing::HasSubstr("grad.x"));
  for (const auto& [name, error] : report.at("errors").items()) {
    EXPECT_LT(error.get<double>(), 1e-5) << name;
    EXPECT_GT(error.get<double>(), 0) << name << ": compared with itself?";
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds,
                         LayerBench,
                         ::testing::ValuesIn(attention_names()),
                         [](const auto& info) { return info.param; });

TEST(LayerBenchExport, RefusesWhatItCannotWrite) {
  LayerBenchOptions options = small("gat");
  options.export_folder = ::testing::TempDir() + "never_written";
  options.precision = "fp64";
  EXPECT_THROW(bench_layer(options), Error);
  options.precision = "fp32";
  options.sweep = {100};
  EXPECT_THROW(bench_layer(options), Error);
  EXPECT_FALSE(std::filesystem::exists(options.export_folder));
}

TEST(LayerBenchSweep, NeedsAGeneratedGraph) {
  LayerBenchOptions options = small("gat");
  options.sweep = {100};
  options.graph.graph = ::testing::TempDir();
  EXPECT_THROW(bench_layer(options), Error);
}

}  // namespace
}  // namespace regatta
