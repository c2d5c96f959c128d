// Rings of in-neighbours around a set of nodes, and the rows a chunk stores of them.
#pragma once

#include "graph/csr_graph.h"

#include <cstdint>
#include <span>
#include <vector>

namespace regatta {

/// Nodes ring by ring. Ring r holds the nodes at exactly r in-hops from ring 0.
struct Rings {
  std::vector<std::int32_t> nodes;  ///< [N] ids in the parent, ascending by order key within a ring
  std::vector<std::int64_t> ring_ptr;  ///< [hops+2]
};

/// Rings 0..hops of in-neighbours of `owned` (no repeats; else Error(kData)). `order_key` has one
/// entry for each parent node; empty means the node's own number. Rows beyond parent.rows count as
/// empty. Deterministic.
Rings collect_rings(const CsrView& parent,
                    std::span<const std::int32_t> owned,
                    std::span<const std::int64_t> order_key,
                    int hops);

/// In-edges of the first `rows` entries of `nodes` whose source is in `nodes` too, renumbered to
/// positions in `nodes`; each row ascending by (src, edge_id). `parent_edge`, when given, gets each
/// edge's position in the parent's list. Deterministic.
CsrGraph induce_rows(const CsrView& parent,
                     std::span<const std::int32_t> nodes,
                     std::int64_t rows,
                     std::vector<std::int64_t>* parent_edge = nullptr);

}  // namespace regatta
