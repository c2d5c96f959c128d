// Which edges attention dropout keeps, four heads a byte: every pass over the edges reads it again,
// and the random numbers are made once.
#pragma once

#include "kernels/attention.h"
#include "kernels/cpu/column_tiles.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace regatta::cpu {

/// Heads 4 q .. 4 q + 3 for quad q.
inline constexpr std::size_t kQuadHeads = 4;

inline std::size_t quads_of(const HeadGroup& group) {
  return (group.count + kQuadHeads - 1) / kQuadHeads;
}

/// Bytes of the bits of a group, [quads, edges].
inline std::size_t kept_edges_bytes(const HeadGroup& group, std::int64_t edges) {
  return quads_of(group) * static_cast<std::size_t>(edges);
}

/// Bit w of kept[e] says that edge e of head 4 * quad + w survives; for the edges of the rows of
/// `in`.
void find_kept_edges(const AttentionInputs& in, std::size_t quad, std::uint8_t* kept);

/// Factors of the edges of a few heads, from their bits.
template <class W>
struct KeptFactors {
  /// Heads `head` .. `head` + stride - 1: in one quad, or in two whose bits lie `edges` bytes
  /// apart. `bits` null: every factor is 1.
  KeptFactors(const DropoutArgs& dropout,
              const std::uint8_t* bits,
              std::size_t head,
              std::size_t heads,
              std::int64_t edges = 0)
      : kept(bits), stride(heads), quad_bytes(static_cast<std::size_t>(edges)) {
    for (std::size_t byte = 0; byte < 16; ++byte)
      for (std::size_t h = 0; h < kQuadHeads; ++h)
        factor[byte][h] = byte >> (head % kQuadHeads + h) & 1U
                              ? static_cast<W>(1 / (1 - dropout.probability))
                              : W{0};
  }
  bool active() const { return kept != nullptr; }
  /// Of the heads in the group's quad `quad`.
  const W* of(std::size_t edge, std::size_t quad = 0) const {
    return factor[kept[quad * quad_bytes + edge]];
  }
  void copy(std::size_t edge, W* to) const {
    for (std::size_t h = 0; h < stride; h += kQuadHeads)
      for (std::size_t k = 0; k < std::min(kQuadHeads, stride - h); ++k)
        to[h + k] = of(edge, h / kQuadHeads)[k];
  }

  const std::uint8_t* kept;
  std::size_t stride;
  std::size_t quad_bytes;
  W factor[16][kQuadHeads];
};

}  // namespace regatta::cpu
