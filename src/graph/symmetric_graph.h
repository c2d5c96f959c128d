// A graph without directions, as orderings and METIS want it.
#pragma once

#include "graph/csr_graph.h"

#include <cstdint>
#include <span>
#include <vector>

namespace regatta {

/// Legend: N = nodes. Neighbours of node i are neighbour[ptr[i]..ptr[i+1]): ascending, distinct,
/// never i itself.
struct SymmetricGraph {
  std::vector<std::int64_t> ptr;        ///< [N+1]
  std::vector<std::int32_t> neighbour;  ///< [ptr[N]]
  std::vector<std::int32_t> weight;     ///< [ptr[N]] edges between the two, in both directions

  std::int64_t nodes() const { return static_cast<std::int64_t>(ptr.size()) - 1; }
  std::int64_t degree(std::int64_t node) const { return ptr[node + 1] - ptr[node]; }
  std::span<const std::int32_t> neighbours(std::int64_t node) const {
    return std::span(neighbour).subspan(static_cast<std::size_t>(ptr[node]),
                                        static_cast<std::size_t>(degree(node)));
  }
};

/// Forgets directions and self loops of `graph` (rows == nodes); parallel edges become weights.
/// O(N + E log degree).
SymmetricGraph symmetrise(const CsrView& graph);

}  // namespace regatta
