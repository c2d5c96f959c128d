// Every row of the table of orderings: a permutation, deterministic, the same graph under other
// numbers; and what each one is for.
#include "graph/reorder.h"

#include "core/error.h"
#include "graph/random_graph.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>
#include <tuple>

namespace regatta {
namespace {

using testing::RandomGraph;
using Order = std::vector<std::int32_t>;
using Edge = std::tuple<std::int32_t, std::int32_t, std::int64_t>;  // dst, src, edge id

/// Edges of `graph` under the numbers that its nodes had before `order` renamed them.
std::multiset<Edge> edges_before(const CsrView& graph, const Order& order) {
  std::multiset<Edge> edges;
  for (std::int64_t row = 0; row < graph.rows; ++row) {
    for (std::int64_t e = graph.indptr[row]; e < graph.indptr[row + 1]; ++e)
      edges.emplace(order[row], order[graph.src[e]], graph.edge_id[e]);
  }
  return edges;
}

RC_GTEST_PROP(Reorder, IsAPermutationOfTheSameGraph, ()) {
  const CsrGraph graph = testing::random_graph(40).csr();
  Order same(static_cast<std::size_t>(graph.nodes));
  std::iota(same.begin(), same.end(), 0);
  for (const std::string& method : ordering_names()) {
    const Order order = order_nodes(graph.view(), method);
    Order sorted = order;
    std::sort(sorted.begin(), sorted.end());
    RC_ASSERT(sorted == same);
    RC_ASSERT(order == order_nodes(graph.view(), method));
    if (method == "none")
      RC_ASSERT(order == same);
    const CsrGraph renumbered = renumber_nodes(graph.view(), order);
    validate_csr(renumbered.view(), method.c_str());
    RC_ASSERT(edges_before(renumbered.view(), order) == edges_before(graph.view(), same));
  }
}

RC_GTEST_PROP(Reorder, LocalityIsThatOfTheEdgeList, ()) {
  const RandomGraph graph = testing::random_graph(1500);
  std::vector<std::int64_t> gaps;
  for (const auto& [dst, src] : graph.edges) {
    if (dst != src)
      gaps.push_back(std::abs(dst - src));
  }
  const Locality found = measure_locality(graph.csr().view());
  if (gaps.empty()) {
    RC_ASSERT(found.mean_gap == 0 && found.p90_gap == 0 && found.within_1mb == 0);
    return;
  }
  std::sort(gaps.begin(), gaps.end());
  const auto edges = static_cast<double>(gaps.size());
  const double sum = static_cast<double>(std::accumulate(gaps.begin(), gaps.end(), 0L));
  RC_ASSERT(std::abs(found.mean_gap - sum / edges) < 1e-9 * sum);
  RC_ASSERT(found.p90_gap == gaps[(9 * gaps.size() + 9) / 10 - 1]);
  const auto near = std::upper_bound(gaps.begin(), gaps.end(), 512) - gaps.begin();
  RC_ASSERT(std::abs(found.within_1mb - static_cast<double>(near) / edges) < 1e-12);
  RC_ASSERT(found.within_16mb == 1);
}

/// Renames the nodes by chance.
RandomGraph shuffled(RandomGraph graph, Order* hidden = nullptr) {
  std::mt19937 random(11);
  Order name(static_cast<std::size_t>(graph.nodes));
  std::iota(name.begin(), name.end(), 0);
  std::shuffle(name.begin(), name.end(), random);
  for (auto& [dst, src] : graph.edges) {
    dst = name[dst];
    src = name[src];
  }
  std::sort(graph.edges.begin(), graph.edges.end());
  if (hidden != nullptr) {
    hidden->resize(name.size());
    for (std::size_t i = 0; i < name.size(); ++i) (*hidden)[name[i]] = static_cast<int>(i);
  }
  return graph;
}

TEST(Reorder, DegreePutsHubsFirst) {
  // In-degrees 0, 2, 1, 2: ties go to the smaller number.
  const CsrGraph graph = RandomGraph{4, {{1, 0}, {1, 2}, {2, 3}, {3, 0}, {3, 1}}}.csr();
  EXPECT_EQ(order_nodes(graph.view(), "degree"), (Order{1, 3, 2, 0}));
}

TEST(Reorder, BreadthFirstFindsPathsAndKeepsComponentsTogether) {
  RandomGraph graph;
  graph.nodes = 300;  // three paths of 100 nodes
  for (std::int32_t i = 0; i + 1 < 300; ++i) {
    if (i % 100 != 99)
      graph.edges.emplace_back(i + 1, i);
  }
  Order hidden;
  graph = shuffled(graph, &hidden);
  const CsrGraph csr = graph.csr();
  EXPECT_GT(measure_locality(csr.view()).mean_gap, 50);
  const Order order = order_nodes(csr.view(), "bfs");
  const Locality after = measure_locality(renumber_nodes(csr.view(), order).view());
  EXPECT_EQ(after.mean_gap, 1);
  EXPECT_EQ(after.p90_gap, 1);
  for (std::size_t i = 0; i < order.size(); ++i)
    EXPECT_EQ(hidden[order[i]] / 100, hidden[order[i / 100 * 100]] / 100) << i;
}

TEST(Reorder, BreadthFirstKeepsAGridNarrow) {
  constexpr std::int32_t kWidth = 20;
  constexpr std::int32_t kLength = 200;
  RandomGraph graph;
  graph.nodes = kWidth * kLength;
  for (std::int32_t i = 0; i < graph.nodes; ++i) {
    if (i % kWidth + 1 < kWidth)
      graph.edges.emplace_back(i, i + 1);
    if (i + kWidth < graph.nodes)
      graph.edges.emplace_back(i, i + kWidth);
  }
  const CsrGraph csr = shuffled(graph).csr();
  const Order order = order_nodes(csr.view(), "bfs");
  const CsrGraph after = renumber_nodes(csr.view(), order);
  // Levels are diagonals of at most kWidth nodes, and edges join neighbouring levels.
  for (std::int64_t row = 0; row < after.rows; ++row) {
    for (std::int64_t e = after.indptr[row]; e < after.indptr[row + 1]; ++e)
      ASSERT_LT(std::abs(after.src[e] - row), 2 * kWidth);
  }
}

/// `communities` of kCommunityNodes nodes; nine edges in ten stay inside one.
RandomGraph hidden_communities(std::int32_t communities) {
  constexpr auto kSize = static_cast<std::int32_t>(kCommunityNodes);
  std::mt19937 random(5);
  RandomGraph graph;
  graph.nodes = communities * kSize;
  const auto draw = [&](std::int64_t n) { return static_cast<std::int32_t>(random() % n); };
  for (std::int64_t i = 0; i < 8 * graph.nodes; ++i) {
    const std::int32_t dst = draw(graph.nodes);
    const bool inside = draw(10) != 0;
    graph.edges.emplace_back(dst, inside ? dst / kSize * kSize + draw(kSize) : draw(graph.nodes));
  }
  return graph;
}

TEST(Reorder, CommunityRecoversHiddenCommunities) {
  Order hidden;
  const RandomGraph graph = shuffled(hidden_communities(16), &hidden);
  const CsrGraph csr = graph.csr();
  const Order order = order_nodes(csr.view(), "community");
  const Locality before = measure_locality(csr.view());
  const Locality after = measure_locality(renumber_nodes(csr.view(), order).view());
  EXPECT_GT(before.mean_gap, 5 * after.mean_gap);
  EXPECT_GT(after.within_1mb, 8 * before.within_1mb);
  // Hidden communities lie in one piece: few neighbours in the order belong to different ones.
  std::int64_t borders = 0;
  for (std::size_t i = 1; i < order.size(); ++i)
    borders += hidden[order[i]] / kCommunityNodes != hidden[order[i - 1]] / kCommunityNodes;
  EXPECT_LT(borders, graph.nodes / 100);
}

void expect_refused(const Order& order, std::int64_t nodes, const std::string& message) {
  try {
    check_permutation(order, nodes, "here");
    FAIL() << "accepted, expected: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kInternal);
    EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
  }
}

TEST(Reorder, WhatIsNoPermutationIsRefused) {
  check_permutation(Order{2, 0, 1}, 3, "here");
  expect_refused({0, 1}, 3, "here: 2 entries, expected 3");
  expect_refused({0, 1, 1}, 3, "entry 2 repeats node 1");
  expect_refused({0, 3, 1}, 3, "entry 1 is node 3, expected [0, 3)");
  expect_refused({0, -1, 1}, 3, "entry 1 is node -1");
  const CsrGraph graph = RandomGraph{2, {{0, 1}}}.csr();
  EXPECT_THROW(renumber_nodes(graph.view(), Order{0, 0}), Error);
}

TEST(Reorder, UnknownMethodNamesTheKnownOnes) {
  const CsrGraph graph = RandomGraph{2, {}}.csr();
  try {
    order_nodes(graph.view(), "comunity");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    const std::string text = error.what();
    EXPECT_NE(text.find("did you mean 'community'"), std::string::npos) << text;
    EXPECT_NE(text.find("none, degree, bfs, community"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace regatta
