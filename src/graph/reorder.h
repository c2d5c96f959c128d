// Numbering the nodes of a graph so that rows fetched together lie together. Add a method: one
// function, one row of the table in reorder.cpp.
#pragma once

#include "graph/csr_graph.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace regatta {

std::vector<std::string> ordering_names();

/// The permutation that `method` gives: [N], entry i is the node of `graph` (rows == nodes) that
/// gets number i. `none` keeps the numbers; `degree` puts nodes of many in-edges first; `bfs` walks
/// breadth first from nodes at the rim (Cuthill and McKee 1969, started as by George and Liu 1979),
/// component by component; `community` lets METIS divide the graph into parts of about
/// kCommunityNodes nodes and walks each part so. Directions count for `degree` only. Ties go to the
/// smaller number: the result depends on its arguments only. Throws Error(kUsage) for an unknown
/// method or a graph too large for the METIS library.
std::vector<std::int32_t> order_nodes(const CsrView& graph, const std::string& method);

inline constexpr std::int64_t kCommunityNodes = 1024;

/// Throws Error(kInternal) unless `order` holds each number below `nodes` once; `what` names it.
void check_permutation(std::span<const std::int32_t> order, std::int64_t nodes, const char* what);

/// `graph` (rows == nodes) with node order[i] called i. Edges keep their edge_id; rows are sorted
/// anew by (src, edge_id). Throws Error(kInternal) when `order` is no permutation of the nodes.
CsrGraph renumber_nodes(const CsrView& graph, std::span<const std::int32_t> order);

/// How far edges reach across a table with one row a node. Self loops do not count.
struct Locality {
  double mean_gap = 0;       ///< of |src - dst|
  std::int64_t p90_gap = 0;  ///< 90 % of edges reach no farther
  double within_1mb = 0;     ///< share of edges whose source is in the window of 1 MiB around the
                             ///< destination's row, rows of 1 KiB: |src - dst| <= 512
  double within_16mb = 0;    ///< the same for 16 MiB: |src - dst| <= 8192
};

/// O(N + E), exact. All zero for a graph without edges between different nodes.
Locality measure_locality(const CsrView& graph);

}  // namespace regatta
