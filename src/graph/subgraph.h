// The part of a graph that L attention layers need for a set of targets: rings of in-neighbours.
#pragma once

#include "graph/csr_graph.h"

#include <cstdint>
#include <span>
#include <vector>

namespace regatta {

/// Nodes of `parent` reachable by at most `hops` in-hops from the targets, renumbered ring by ring
/// (ring r = nodes at exactly r in-hops; targets are ring 0), ascending by `order_key` (global id)
/// within a ring.
struct Subgraph {
  CsrGraph graph;  ///< rows = ring_ptr[hops] (all of rings 0..hops-1), local ids
  std::vector<std::int32_t> parent_node;  ///< [N] local id in the parent of each node here
  std::vector<std::int64_t> ring_ptr;     ///< [hops+2]; ring r = nodes ring_ptr[r]..ring_ptr[r+1)-1
  std::vector<std::int64_t> parent_edge;  ///< [E] position of each edge in the parent's list
};

/// Builds it. Rows of the parent must hold the in-edges of every node in rings 0..hops-1 (as in a
/// chunk with an exact halo); otherwise those nodes' rows are taken as the parent stores them: rows
/// beyond parent.rows are empty. `targets` are parent-local ids, without repeats. hops >= 0; with
/// hops = 0 rows = targets with the induced edges among them.
Subgraph extract_subgraph(const CsrView& parent,
                          std::span<const std::int32_t> targets,
                          std::span<const std::int64_t> order_key,
                          int hops);

}  // namespace regatta
