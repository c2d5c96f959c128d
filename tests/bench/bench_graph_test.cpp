// Generated graphs: valid, repeatable, and distributed as they say.
#include "bench/bench_graph.h"

#include "core/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace regatta {
namespace {

BenchGraphOptions options_of(const std::string& name) {
  BenchGraphOptions options;
  options.graph = name;
  options.nodes = 5000;
  options.edges = 60000;
  return options;
}

std::int64_t largest_degree(const PreparedGraph& graph) {
  std::int64_t most = 0;
  for (std::size_t i = 0; i + 1 < graph.in.indptr.size(); ++i)
    most = std::max(most, graph.in.indptr[i + 1] - graph.in.indptr[i]);
  return most;
}

/// Share of edges whose ends lie fewer than 256 apart.
double local_share(const PreparedGraph& graph) {
  std::int64_t near = 0;
  for (std::int64_t i = 0; i < graph.in.rows; ++i)
    for (auto e = static_cast<std::size_t>(graph.in.indptr[static_cast<std::size_t>(i)]);
         e < static_cast<std::size_t>(graph.in.indptr[static_cast<std::size_t>(i) + 1]);
         ++e)
      near += std::abs(graph.in.src[e] - i) < 256 ? 1 : 0;
  return static_cast<double>(near) / static_cast<double>(graph.in.src.size());
}

class BenchGraph : public ::testing::TestWithParam<std::string> {};

TEST_P(BenchGraph, IsValidAndRepeatable) {
  const PreparedGraph graph = make_bench_graph(options_of(GetParam()));
  EXPECT_NO_THROW(validate_csr(graph.in.view(), "the generated graph"));
  EXPECT_EQ(graph.in.nodes, 5000);
  EXPECT_EQ(graph.in.src.size(), 60000U);
  const PreparedGraph again = make_bench_graph(options_of(GetParam()));
  EXPECT_TRUE(std::ranges::equal(graph.in.src, again.in.src));
  EXPECT_TRUE(std::ranges::equal(graph.in.indptr, again.in.indptr));
  BenchGraphOptions other = options_of(GetParam());
  other.seed = 2;
  EXPECT_FALSE(std::ranges::equal(graph.in.src, make_bench_graph(other).in.src));
}

INSTANTIATE_TEST_SUITE_P(Distributions,
                         BenchGraph,
                         ::testing::Values("random", "power_law", "clustered"),
                         [](const auto& info) { return info.param; });

TEST(BenchGraphShape, FollowsItsDistribution) {
  const PreparedGraph random = make_bench_graph(options_of("random"));
  const PreparedGraph power_law = make_bench_graph(options_of("power_law"));
  const PreparedGraph clustered = make_bench_graph(options_of("clustered"));
  // Mean degree 12. The largest weight of the power law is 1 of about 3 * 5000^(1/3) = 51: some
  // 1200 edges.
  EXPECT_LT(largest_degree(random), 40);
  EXPECT_GT(largest_degree(power_law), 800);
  EXPECT_LT(largest_degree(clustered), 40);
  EXPECT_LT(local_share(random), 0.15);
  EXPECT_LT(local_share(power_law), 0.15);
  EXPECT_GT(local_share(clustered), 0.85);
}

TEST(BenchGraphErrors, NameTheDistributions) {
  try {
    make_bench_graph(options_of("no_such_graph"));
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("random, power_law, clustered"));
  }
}

}  // namespace
}  // namespace regatta
