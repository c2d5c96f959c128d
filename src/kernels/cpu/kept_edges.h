// Which edges attention dropout keeps, four heads a byte: every pass over the edges reads it again,
// and the random numbers are made once.
#pragma once

#include "kernels/attention.h"

#include <cstddef>
#include <cstdint>

namespace regatta::cpu {

/// Heads 4 q .. 4 q + 3 for quad q.
inline constexpr std::size_t kQuadHeads = 4;

/// Bit w of kept[e] says that edge e of head 4 * quad + w survives; for the edges of the rows of
/// `in`.
void find_kept_edges(const AttentionInputs& in, std::size_t quad, std::uint8_t* kept);

/// Factors of the edges of a few heads, from their bits.
template <class W>
struct KeptFactors {
  /// Heads `head` .. `head` + stride - 1, all in one quad. `bits` null: every factor is 1.
  KeptFactors(const DropoutArgs& dropout,
              const std::uint8_t* bits,
              std::size_t head,
              std::size_t heads)
      : kept(bits), stride(heads) {
    for (std::size_t byte = 0; byte < 16; ++byte)
      for (std::size_t h = 0; h < kQuadHeads; ++h)
        factor[byte][h] = byte >> (head % kQuadHeads + h) & 1U
                              ? static_cast<W>(1 / (1 - dropout.probability))
                              : W{0};
  }
  bool active() const { return kept != nullptr; }
  const W* of(std::size_t edge) const { return factor[kept[edge]]; }

  const std::uint8_t* kept;
  std::size_t stride;
  W factor[16][kQuadHeads];
};

}  // namespace regatta::cpu
