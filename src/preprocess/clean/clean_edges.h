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
  bool has_attributes = false;          ///< features or types, even where no edge is listed
  std::vector<std::int64_t> table_row;  ///< row of the edge table; empty without attributes
  std::vector<std::int32_t> type;       ///< code of the table's types; empty without them
};

/// Where a cleaned edge comes from.
class EdgeOrigin {
 public:
  static EdgeOrigin added() { return EdgeOrigin(-1); }  ///< a self loop that nobody listed
  static EdgeOrigin listed(std::int64_t row, bool reversed) {
    return EdgeOrigin(2 * row + (reversed ? 1 : 0));
  }
  bool is_added() const { return code_ < 0; }
  bool is_reversed() const { return code_ >= 0 && code_ % 2 == 1; }  ///< undirected: second edge
  std::int64_t row() const { return code_ / 2; }

 private:
  explicit EdgeOrigin(std::int64_t code) : code_(code) {}
  std::int64_t code_;
};

struct CleanedEdges {
  CsrGraph graph;
  /// By edge_id, with rows of the edge table; empty where edges have neither features nor types.
  std::vector<EdgeOrigin> origin;
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
/// position in that order, so it depends on neither chunks nor ranks. Edges are duplicates when
/// ends and type are equal, the type being that which the edge ends up with (reverse_types). Throws
/// Error(kData) naming the line of a repeated edge for duplicates: error.
CleanedEdges clean_edges(const ListedEdges& edges,
                         std::int64_t nodes,
                         const CleanOptions& options,
                         CleanCounts& counts);

}  // namespace regatta
