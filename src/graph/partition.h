// Dividing the nodes of a graph into chunks. Add a method: one function, one row of the table in
// partition.cpp.
#pragma once

#include "graph/csr_graph.h"

#include <cstdint>
#include <string>
#include <vector>

namespace regatta {

struct PartitionRequest {
  std::string method = "metis";  ///< a name of partitioner_names()
  std::int64_t chunks = 1;       ///< wanted; never more than there are nodes
  std::uint64_t seed = 0;        ///< METIS: the seed of its own generator
};

/// Which chunk owns each node. Chunks are never empty and are numbered by their smallest node.
struct Partition {
  std::int64_t chunks = 0;
  std::vector<std::int32_t> owner;  ///< [N] chunk of each node
  std::vector<std::int64_t> row;    ///< [N] position of the node among its chunk's, ascending
  std::vector<std::vector<std::int32_t>> members;  ///< [chunks] nodes, ascending
};

std::vector<std::string> partitioner_names();

/// Divides all nodes of `graph` (rows == nodes) into min(chunks, nodes) parts. `metis` balances
/// nodes + in-edges and minimises edges cut (Karypis and Kumar 1998); `range` gives each chunk
/// consecutive nodes. The result depends on its arguments only. Throws Error(kUsage) for an unknown
/// method or a graph too large for the METIS library.
Partition partition_graph(const CsrView& graph, const PartitionRequest& request);

/// Partition from the owner of each node: renumbers the chunks, refuses owners below 0 with
/// Error(kData).
Partition make_partition(const std::vector<std::int32_t>& owner);

/// Edges whose ends are owned by different chunks.
std::int64_t edge_cut(const CsrView& graph, const Partition& partition);

}  // namespace regatta
