// Rings and subgraphs against a plain breadth-first search over the edge list.
#include "graph/subgraph.h"

#include "core/error.h"
#include "graph/halo.h"
#include "graph/random_graph.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <numeric>
#include <set>

namespace regatta {
namespace {

using testing::RandomGraph;

/// In-hops from the targets to each node that has any.
std::map<std::int32_t, int> distances(const RandomGraph& graph,
                                      const std::vector<std::int32_t>& targets,
                                      int hops) {
  std::map<std::int32_t, int> distance;
  for (const std::int32_t node : targets) distance[node] = 0;
  for (int hop = 1; hop <= hops; ++hop) {
    for (const auto& [dst, src] : graph.edges) {
      if (distance.contains(dst) && distance[dst] == hop - 1)
        distance.try_emplace(src, hop);
    }
  }
  return distance;
}

std::vector<std::int32_t> random_targets(const RandomGraph& graph) {
  const auto node = rc::gen::inRange<std::int32_t>(0, static_cast<std::int32_t>(graph.nodes));
  const auto set = *rc::gen::container<std::set<std::int32_t>>(node);
  std::vector<std::int32_t> targets(set.begin(), set.end());
  if (*rc::gen::arbitrary<bool>())
    std::reverse(targets.begin(), targets.end());
  return targets;
}

using EdgeSet = std::multiset<std::tuple<std::int32_t, std::int32_t, std::int64_t>>;

EdgeSet expected_edges(const RandomGraph& graph,
                       const std::map<std::int32_t, int>& distance,
                       int hops) {
  EdgeSet edges;
  for (std::size_t e = 0; e < graph.edges.size(); ++e) {
    const auto [dst, src] = graph.edges[e];
    if (!distance.contains(dst) || !distance.contains(src))
      continue;
    if (hops > 0 && distance.at(dst) >= hops)
      continue;
    edges.emplace(dst, src, static_cast<std::int64_t>(e));
  }
  return edges;
}

EdgeSet parent_edges(const Subgraph& subgraph) {
  EdgeSet edges;
  const CsrView view = subgraph.graph.view();
  for (std::int64_t row = 0; row < view.rows; ++row) {
    for (std::int64_t e = view.indptr[row]; e < view.indptr[row + 1]; ++e) {
      edges.emplace(subgraph.parent_node[row], subgraph.parent_node[view.src[e]], view.edge_id[e]);
    }
  }
  return edges;
}

RC_GTEST_PROP(Subgraph, EqualsBreadthFirstSearch, ()) {
  const RandomGraph graph = testing::random_graph();
  const std::vector<std::int32_t> targets = random_targets(graph);
  const int hops = *rc::gen::inRange(0, 4);
  // A shuffled key, as global ids of a partitioned graph are.
  std::vector<std::int64_t> key(static_cast<std::size_t>(graph.nodes));
  for (auto& k : key) k = *rc::gen::inRange<std::int64_t>(0, 50);
  const CsrGraph csr = graph.csr();
  const Subgraph subgraph = extract_subgraph(csr.view(), targets, key, hops);

  const auto distance = distances(graph, targets, hops);
  RC_ASSERT(subgraph.parent_node.size() == distance.size());
  RC_ASSERT(subgraph.ring_ptr.size() == static_cast<std::size_t>(hops) + 2);
  RC_ASSERT(subgraph.ring_ptr.back() == static_cast<std::int64_t>(distance.size()));
  for (int ring = 0; ring <= hops; ++ring) {
    for (std::int64_t i = subgraph.ring_ptr[ring]; i < subgraph.ring_ptr[ring + 1]; ++i) {
      const std::int32_t node = subgraph.parent_node[i];
      RC_ASSERT(distance.at(node) == ring);
      if (i > subgraph.ring_ptr[ring])
        RC_ASSERT(key[subgraph.parent_node[i - 1]] <= key[node]);
    }
  }
  RC_ASSERT(subgraph.graph.rows == (hops == 0 ? subgraph.ring_ptr[1] : subgraph.ring_ptr[hops]));
  RC_ASSERT(parent_edges(subgraph) == expected_edges(graph, distance, hops));
  RC_ASSERT(subgraph.parent_edge.size() == subgraph.graph.src.size());
  for (std::size_t e = 0; e < subgraph.parent_edge.size(); ++e) {
    const auto parent = static_cast<std::size_t>(subgraph.parent_edge[e]);
    RC_ASSERT(csr.edge_id[parent] == subgraph.graph.edge_id[e]);
    RC_ASSERT(csr.src[parent] == subgraph.parent_node[subgraph.graph.src[e]]);
  }
  validate_csr(subgraph.graph.view(), "subgraph");
}

RC_GTEST_PROP(Subgraph, DoesNotDependOnTheOrderOfTargets, ()) {
  const RandomGraph graph = testing::random_graph();
  std::vector<std::int32_t> targets = random_targets(graph);
  const CsrGraph csr = graph.csr();
  const Subgraph first = extract_subgraph(csr.view(), targets, {}, 2);
  std::reverse(targets.begin(), targets.end());
  const Subgraph second = extract_subgraph(csr.view(), targets, {}, 2);
  RC_ASSERT(first.parent_node == second.parent_node);
  RC_ASSERT(std::equal(first.graph.src.begin(),
                       first.graph.src.end(),
                       second.graph.src.begin(),
                       second.graph.src.end()));
}

// A subgraph of a chunk: rows beyond those stored count as empty.
TEST(Subgraph, TakesMissingRowsAsEmpty) {
  CsrGraph parent;  // 0 <- 1 <- 2, only row 0 stored
  parent.rows = 1;
  parent.nodes = 3;
  parent.indptr = std::vector<std::int64_t>{0, 1};
  parent.src = std::vector<std::int32_t>{1};
  parent.edge_id = std::vector<std::int64_t>{9};
  const std::vector<std::int32_t> targets{0};
  const Subgraph subgraph = extract_subgraph(parent.view(), targets, {}, 2);
  EXPECT_EQ(subgraph.parent_node, (std::vector<std::int32_t>{0, 1}));
  EXPECT_EQ(subgraph.ring_ptr, (std::vector<std::int64_t>{0, 1, 2, 2}));
  EXPECT_EQ(subgraph.graph.rows, 2);
  EXPECT_EQ(subgraph.graph.edge_id[0], 9);
}

TEST(Subgraph, RefusesBadTargets) {
  const CsrGraph parent = RandomGraph{2, {{0, 1}}}.csr();
  for (const std::vector<std::int32_t>& targets : {std::vector<std::int32_t>{2},
                                                   std::vector<std::int32_t>{-1},
                                                   std::vector<std::int32_t>{1, 1}}) {
    EXPECT_THROW(extract_subgraph(parent.view(), targets, {}, 1), Error);
  }
}

}  // namespace
}  // namespace regatta
