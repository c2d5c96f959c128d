// Every row of the table of partitioners: complete, never empty, deterministic, renumbered; METIS
// balance and cut.
#include "graph/partition.h"

#include "core/error.h"
#include "graph/random_graph.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace regatta {
namespace {

using testing::RandomGraph;

void check_partition(const Partition& partition, std::int64_t nodes, std::int64_t chunks) {
  RC_ASSERT(partition.chunks == std::min(nodes, chunks));
  RC_ASSERT(partition.owner.size() == static_cast<std::size_t>(nodes));
  std::int64_t covered = 0;
  for (std::int64_t c = 0; c < partition.chunks; ++c) {
    const auto& members = partition.members[c];
    RC_ASSERT(!members.empty());
    RC_ASSERT(std::is_sorted(members.begin(), members.end()));
    if (c > 0)
      RC_ASSERT(partition.members[c - 1].front() < members.front());
    for (std::size_t i = 0; i < members.size(); ++i) {
      RC_ASSERT(partition.owner[members[i]] == c);
      RC_ASSERT(partition.row[members[i]] == static_cast<std::int64_t>(i));
    }
    covered += static_cast<std::int64_t>(members.size());
  }
  RC_ASSERT(covered == nodes);
}

RC_GTEST_PROP(Partition, OwnsEveryNodeOnce, ()) {
  const RandomGraph graph = testing::random_graph(40);
  const CsrGraph csr = graph.csr();
  const auto chunks = *rc::gen::inRange<std::int64_t>(1, 60);
  for (const std::string& method : partitioner_names()) {
    const PartitionRequest request{method, chunks, 3};
    const Partition partition = partition_graph(csr.view(), request);
    check_partition(partition, graph.nodes, chunks);
    RC_ASSERT(partition.owner == partition_graph(csr.view(), request).owner);
    std::int64_t cut = 0;
    for (const auto& [dst, src] : graph.edges)
      cut += partition.owner[dst] != partition.owner[src] ? 1 : 0;
    RC_ASSERT(edge_cut(csr.view(), partition) == cut);
  }
}

/// A ring of `cliques` cliques of `size` nodes: the best cut is known.
RandomGraph ring_of_cliques(std::int32_t cliques, std::int32_t size) {
  RandomGraph graph;
  graph.nodes = cliques * size;
  for (std::int32_t c = 0; c < cliques; ++c) {
    for (std::int32_t i = 0; i < size; ++i) {
      for (std::int32_t j = 0; j < size; ++j) {
        if (i != j)
          graph.edges.emplace_back(c * size + i, c * size + j);
      }
    }
    const std::int32_t here = c * size;
    const std::int32_t next = (c + 1) % cliques * size + 1;
    graph.edges.emplace_back(here, next);
    graph.edges.emplace_back(next, here);
  }
  std::sort(graph.edges.begin(), graph.edges.end());
  return graph;
}

TEST(Partition, MetisFindsCliques) {
  const RandomGraph graph = ring_of_cliques(8, 12);
  const CsrGraph csr = graph.csr();
  for (const std::int64_t chunks : {2, 4, 8}) {
    const Partition partition = partition_graph(csr.view(), {"metis", chunks, 0});
    // Each border between two parts is one link of the ring, in both directions.
    EXPECT_EQ(edge_cut(csr.view(), partition), 2 * chunks) << chunks << " chunks";
    for (const auto& members : partition.members) {
      EXPECT_EQ(static_cast<std::int64_t>(members.size()), graph.nodes / chunks);
    }
  }
}

TEST(Partition, MetisTakesDirectedEdges) {
  RandomGraph graph = ring_of_cliques(4, 10);
  std::erase_if(graph.edges, [](const auto& edge) { return edge.first > edge.second; });
  const CsrGraph csr = graph.csr();
  const Partition partition = partition_graph(csr.view(), {"metis", 4, 0});
  EXPECT_EQ(edge_cut(csr.view(), partition), 4);
}

TEST(Partition, RangeSizesDifferByOneAtMost) {
  const CsrGraph csr = RandomGraph{10, {}}.csr();
  const Partition partition = partition_graph(csr.view(), {"range", 4, 0});
  EXPECT_EQ(partition.members[0], (std::vector<std::int32_t>{0, 1}));
  EXPECT_EQ(partition.members[1], (std::vector<std::int32_t>{2, 3, 4}));
  EXPECT_EQ(partition.members[3], (std::vector<std::int32_t>{7, 8, 9}));
}

TEST(Partition, RenumbersBySmallestNode) {
  const Partition partition = make_partition({7, 2, 7, 0});
  EXPECT_EQ(partition.owner, (std::vector<std::int32_t>{0, 1, 0, 2}));
  EXPECT_EQ(partition.row, (std::vector<std::int64_t>{0, 0, 1, 0}));
  EXPECT_THROW(make_partition({0, -1}), Error);
}

TEST(Partition, UnknownMethodNamesTheKnownOnes) {
  const CsrGraph csr = RandomGraph{2, {}}.csr();
  try {
    partition_graph(csr.view(), {"metsi", 2, 0});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    const std::string text = error.what();
    EXPECT_NE(text.find("did you mean 'metis'"), std::string::npos) << text;
    EXPECT_NE(text.find("metis, range"), std::string::npos) << text;
  }
  EXPECT_THROW(partition_graph(csr.view(), {"metis", 0, 0}), Error);
}

}  // namespace
}  // namespace regatta
