#include "graph/subgraph.h"

#include "graph/halo.h"

namespace regatta {

Subgraph extract_subgraph(const CsrView& parent,
                          std::span<const std::int32_t> targets,
                          std::span<const std::int64_t> order_key,
                          int hops) {
  Rings rings = collect_rings(parent, targets, order_key, hops);
  // Without rings the targets keep the edges among themselves; with rings the last one is input
  // only.
  const std::int64_t rows = hops == 0 ? rings.ring_ptr[1] : rings.ring_ptr[hops];
  Subgraph subgraph;
  subgraph.graph = induce_rows(parent, rings.nodes, rows, &subgraph.parent_edge);
  subgraph.parent_node = std::move(rings.nodes);
  subgraph.ring_ptr = std::move(rings.ring_ptr);
  return subgraph;
}

}  // namespace regatta
