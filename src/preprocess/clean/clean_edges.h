// Listed edges become the cleaned graph: direction, self loops, duplicates, isolated nodes.
#pragma once

#include "graph/csr_graph.h"
#include "preprocess/clean/node_set.h"
#include "preprocess/preprocess_options.h"
#include "preprocess/sources/raw_tables.h"

#include <cstdint>
#include <string>
#include <vector>

namespace regatta {

/// Edges between node numbers, in the order of the file.
struct ListedEdges {
  std::string path;
  std::vector<std::int32_t> src, dst;
  std::vector<std::int64_t> line;
};

/// What cleaning did; counts of listed rows unless said otherwise.
struct CleanCounts {
  std::int64_t listed = 0;
  std::int64_t duplicates = 0;
  std::int64_t self_loops = 0;  ///< listed
  std::int64_t added_self_loops = 0;
  std::int64_t isolated_nodes = 0;  ///< dropped ones only
};

/// Looks the ends of all edges up; rows with an unknown node go to `report`.
ListedEdges resolve_edges(const EdgeTable& table, const NodeIndex& index, RowReport& report);

/// Nodes with an edge to another node, ascending.
std::vector<std::int64_t> connected_nodes(const ListedEdges& edges, std::int64_t nodes);

/// Keeps the edges between the nodes `kept` (ascending), renumbered to positions in it.
void renumber_edges(ListedEdges& edges, const std::vector<std::int64_t>& kept, std::int64_t nodes);

/// The in-edges of all nodes, sorted by (destination, source, order in the file); edge_id is the
/// position in that order, so it depends on neither chunks nor ranks. Throws Error(kData) naming
/// the line of a repeated edge for duplicates: error.
CsrGraph clean_edges(ListedEdges edges,
                     std::int64_t nodes,
                     const CleanOptions& options,
                     CleanCounts& counts);

}  // namespace regatta
