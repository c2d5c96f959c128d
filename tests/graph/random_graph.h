// Random graphs for property tests, and the plain edge list that the answers are worked out from.
#pragma once

#include "graph/csr_graph.h"

#include <rapidcheck.h>

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

namespace regatta::testing {

/// Edge list (dst, src) sorted; parallel edges and self loops may occur.
struct RandomGraph {
  std::int64_t nodes = 0;
  std::vector<std::pair<std::int32_t, std::int32_t>> edges;

  CsrGraph csr() const {
    CsrGraph graph;
    graph.rows = graph.nodes = nodes;
    std::vector<std::int64_t> indptr(static_cast<std::size_t>(nodes) + 1, 0);
    std::vector<std::int32_t> src;
    std::vector<std::int64_t> edge_id;
    for (const auto& [d, s] : edges) {
      ++indptr[d + 1];
      edge_id.push_back(static_cast<std::int64_t>(src.size()));
      src.push_back(s);
    }
    for (std::int64_t i = 0; i < nodes; ++i) indptr[i + 1] += indptr[i];
    graph.indptr = std::move(indptr);
    graph.src = std::move(src);
    graph.edge_id = std::move(edge_id);
    return graph;
  }
};

inline RandomGraph random_graph(std::int32_t most_nodes = 25) {
  RandomGraph graph;
  graph.nodes = *rc::gen::inRange<std::int32_t>(1, most_nodes + 1);
  const auto node = rc::gen::inRange<std::int32_t>(0, static_cast<std::int32_t>(graph.nodes));
  graph.edges = *rc::gen::container<std::vector<std::pair<std::int32_t, std::int32_t>>>(
      rc::gen::pair(node, node));
  std::sort(graph.edges.begin(), graph.edges.end());
  return graph;
}

}  // namespace regatta::testing
