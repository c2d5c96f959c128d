// The scalars of gat's edges for a group of heads, edge-major and signed: |w| = alpha m, w > 0
// where u > 0.
#pragma once

#include "kernels/cpu/column_tiles.h"

#include <cstdint>

namespace regatta::cpu {

/// In the order of in-edges. All arrays are of the working type; null ones are not written.
struct GatRowWeights {
  const AttentionInputs* in = nullptr;
  HeadGroup group;
  void* weight = nullptr;        ///< [E,stride]
  void* logsumexp = nullptr;     ///< L [R,H]
  void* positive = nullptr;      ///< A+ [R,H]: the sum of alpha over edges with u > 0
  std::uint8_t* kept = nullptr;  ///< [E] bits of attention dropout; not null where weights get it
};
void gat_row_weights(const GatRowWeights& pass);

/// What a source needs of a destination, [R, 3 stride]: t, L and Delta of the group's heads.
struct GatRecords {
  void* record = nullptr;
  static std::size_t values(const HeadGroup& group) { return 3 * group.stride; }
};

/// In the order of out-edges, from the records.
struct GatSourceWeights {
  const AttentionInputs* in = nullptr;
  HeadGroup group;
  const void* record = nullptr;
  const std::int64_t* end = nullptr;   ///< [N] end of each source's edges
  const std::uint8_t* kept = nullptr;  ///< [E] bits of the in-edges, with attention dropout
  void* weight = nullptr;              ///< [edges of the graph, stride]
  void* source_gradient = nullptr;     ///< ds [N,H] gets -sum_i alpha LeakyReLU'(u) Delta_i
};
void gat_source_weights(const GatSourceWeights& pass);

}  // namespace regatta::cpu
