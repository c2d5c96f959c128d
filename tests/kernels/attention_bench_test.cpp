// The benchmark's report: both passes of both tables, ordered times, and percentages that follow
// from them.
#include "bench/attention_bench.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace regatta {
namespace {

class AttentionBench : public ::testing::TestWithParam<const char*> {};

TEST_P(AttentionBench, ReportsTimesFloorsAndPercentages) {
  AttentionBenchOptions options;
  options.nodes = 300;
  options.edges = 2000;
  options.heads = 2;
  options.width = 5;
  options.kind = GetParam();
  options.dropout = 0.5;
  options.repeats = 3;
  const auto report = bench_attention(options);
  EXPECT_EQ(report.at("case").at("kind"), GetParam());
  EXPECT_GT(report.at("bounds").at("gather_bytes_per_second").get<double>(), 0);
  ASSERT_EQ(report.at("passes").size(), 4U);
  for (const auto& pass : report.at("passes")) {
    const double median = pass.at("time").at("median");
    EXPECT_LE(pass.at("time").at("minimum"), median);
    EXPECT_GE(pass.at("time").at("maximum"), median);
    for (const char* floor : {"compulsory", "gather"}) {
      EXPECT_GT(pass.at("floor").at(floor).get<double>(), 0);
      EXPECT_NEAR(pass.at("percent").at(floor).get<double>(),
                  100 * pass.at("floor").at(floor).get<double>() / median,
                  1e-6);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, AttentionBench, ::testing::Values("gat", "dot"));

}  // namespace
}  // namespace regatta
