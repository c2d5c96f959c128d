// Values of a chunk of edges, edge-major: one lane for each edge and head of a group. Per-target
// header of Highway.
#if defined(REGATTA_KERNELS_CPU_EDGE_CHUNKS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_EDGE_CHUNKS_INL_H_
#undef REGATTA_KERNELS_CPU_EDGE_CHUNKS_INL_H_
#else
#define REGATTA_KERNELS_CPU_EDGE_CHUNKS_INL_H_
#endif

#include "kernels/cpu/column_tiles.h"
#include "kernels/cpu/dropout_factors-inl.h"
#include "kernels/cpu/storage_lanes-inl.h"

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// kChunk edges of a group's heads; whole vectors may be read and written past the last edge.
template <class W>
struct EdgeChunk {
  alignas(64) W value[kChunk * kMostGroupHeads + 64 / sizeof(W)];
};

/// One value a head of the group, repeated over 64 bytes as the lanes of an edge chunk lie.
template <class W>
struct HeadPattern {
  alignas(64) W value[64 / sizeof(W)];

  void fill(const W* of_head, const HeadGroup& group) {
    for (std::size_t k = 0; k < 64 / sizeof(W); ++k) {
      const std::size_t h = k % group.stride;
      value[k] = h < group.count ? of_head[h] : W{0};
    }
  }
  void set(W all) { std::fill_n(value, 64 / sizeof(W), all); }
};

/// The lanes of a vector that start at value k of a chunk.
template <class D, class W>
HWY_INLINE hn::Vec<D> pattern_at(D d, const HeadPattern<W>& pattern, std::size_t k) {
  if constexpr (hn::MaxLanes(D()) * sizeof(W) == 64)
    return hn::Load(d, pattern.value);
  return hn::Load(d, pattern.value + k % (64 / sizeof(W)));
}

/// Per-head sums or maxima of a chunk's lanes, in the order of the lanes.
template <class W>
struct LaneTotals {
  alignas(64) W lane[64 / sizeof(W)];

  void set(W all) { std::fill_n(lane, 64 / sizeof(W), all); }
  template <class Combine>
  void reduce(const HeadGroup& group, const Combine& combine, W* to) const {
    for (std::size_t h = 0; h < group.stride; ++h) {
      W total = lane[h];
      for (std::size_t k = h + group.stride; k < 64 / sizeof(W); k += group.stride)
        total = combine(total, lane[k]);
      to[h] = total;
    }
  }
};

/// Calls body(d, k) for the vectors that hold values 0 .. count-1; k is the first value.
template <class W, class Body>
HWY_INLINE void for_vectors(std::size_t count, const Body& body) {
  const BlockTag<W> d;
  for (std::size_t k = 0; k < count; k += hn::Lanes(d)) body(d, k);
}

/// Where the totals of value k are kept.
template <class W>
HWY_INLINE W* total_at(LaneTotals<W>& totals, std::size_t k) {
  if constexpr (hn::MaxLanes(BlockTag<W>()) * sizeof(W) == 64)
    return totals.lane;
  return totals.lane + k % (64 / sizeof(W));
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
