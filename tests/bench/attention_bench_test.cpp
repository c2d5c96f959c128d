// The report of `regatta bench attention`: both passes of both tables, ordered times, floors and
// percentages that follow from them, errors within the type's rounding.
#include "bench/attention_bench.h"

#include "bench/attention_floor.h"
#include "bench_report.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <tuple>

namespace regatta {
namespace {

using Case = std::tuple<std::string, std::string>;

class AttentionBench : public ::testing::TestWithParam<Case> {};

AttentionBenchOptions small(const std::string& kind) {
  AttentionBenchOptions options;
  options.graph.nodes = 300;
  options.graph.edges = 2000;
  options.heads = 2;
  options.width = 5;
  options.kind = kind;
  options.attention_dropout = 0.5;
  options.message_dropout = 0.5;
  options.repeats = 3;
  return options;
}

TEST_P(AttentionBench, ReportsTimesFloorsAndErrors) {
  const auto& [kind, precision] = GetParam();
  AttentionBenchOptions options = small(kind);
  options.precision = precision;
  const auto report = bench_attention(options);
  test::expect_header(report);
  EXPECT_EQ(report.at("case").at("kind"), kind);
  EXPECT_EQ(report.at("case").at("edges"), 2000);
  EXPECT_GT(report.at("bounds").at("gather_bytes_per_second").get<double>(), 0);
  ASSERT_EQ(report.at("passes").size(), 4U);
  for (const auto& pass : report.at("passes")) {
    test::expect_spread(pass.at("time"));
    test::expect_percentages(pass.at("floor"), pass.at("percent"), pass.at("time").at("median"));
  }
  const double most = precision == "fp64" ? 1e-12 : precision == "fp32" ? 1e-5 : 3e-2;
  for (const char* table : {"cpu", "reference"})
    for (const auto& [array, error] : report.at("errors").at(table).items())
      EXPECT_LT(error.get<double>(), most) << table << ' ' << array;
  const std::size_t gradients = kind == "dot" ? 1 : 3;
  EXPECT_EQ(report.at("errors").at("cpu").size(), 1 + gradients);
}

INSTANTIATE_TEST_SUITE_P(Kinds,
                         AttentionBench,
                         ::testing::Combine(::testing::ValuesIn(floor_kinds()),
                                            ::testing::Values("fp32", "bf16", "fp64")),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" + std::get<1>(info.param);
                         });

TEST(AttentionBenchOptions, WideTablesGetABlockedBound) {
  AttentionBenchOptions options = small("gat");
  options.graph.nodes = 20000;
  options.heads = 4;
  options.width = 64;  // 20 MB of rows: more than the blocks hold
  options.repeats = 1;
  const auto report = bench_attention(options);
  EXPECT_GT(report.at("bounds").at("blocked_gather_bytes_per_second").get<double>(), 0);
  EXPECT_GE(report.at("bounds").at("tile_bytes").get<int>(), 64);
  EXPECT_TRUE(report.at("passes")[0].at("floor").at("blocked").is_number());
}

}  // namespace
}  // namespace regatta
