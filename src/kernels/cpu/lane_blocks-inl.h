// Blocks of 64 bytes of values, in memory and in registers, whose lanes belong to heads in turn.
// Per-target header of Highway.
#if defined(REGATTA_KERNELS_CPU_LANE_BLOCKS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_LANE_BLOCKS_INL_H_
#undef REGATTA_KERNELS_CPU_LANE_BLOCKS_INL_H_
#else
#define REGATTA_KERNELS_CPU_LANE_BLOCKS_INL_H_
#endif

#include "kernels/cpu/column_tiles.h"
#include "kernels/cpu/storage_lanes-inl.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class W>
inline constexpr std::size_t kBlockValues = 64 / sizeof(W);

/// Lane k of the result is lane k ^ kApart of v; kApart is a power of two.
template <std::size_t kApart, class D>
HWY_INLINE hn::Vec<D> swap_lanes([[maybe_unused]] D d, hn::Vec<D> v) {
#if HWY_TARGET == HWY_SCALAR
  return v;  // one lane: never asked for
#else
  constexpr std::size_t kBytes = kApart * sizeof(hn::TFromD<D>);
  if constexpr (kBytes == 32)
    return hn::ConcatLowerUpper(d, v, v);
  else if constexpr (kBytes == 16)
    return hn::SwapAdjacentBlocks(v);
  else if constexpr (kBytes == 4)
    return hn::Shuffle2301(v);
  else if constexpr (sizeof(hn::TFromD<D>) == 8)
    return hn::Shuffle01(v);
  else
    return hn::Shuffle1032(v);
#endif
}

/// A block in registers.
template <class W>
struct BlockVectors {
  using D = BlockTag<W>;
  static constexpr std::size_t kLanes = hn::MaxLanes(D());
  static constexpr std::size_t kVectors = kBlockValues<W> / kLanes;

  hn::Vec<D> vector[kVectors];

  HWY_INLINE void set(W all) {
    for (auto& v : vector) v = hn::Set(D(), all);
  }
  /// Combines the lanes of each head, halves first, into all lanes of that head; `stride` is a
  /// power of two.
  template <std::size_t kApart = kBlockValues<W> / 2, class Combine>
  HWY_INLINE void spread(std::size_t stride, const Combine& combine) {
    if constexpr (kApart > 0) {
      if (kApart < stride)
        return;
      hn::Vec<D> other[kVectors];
      for (std::size_t v = 0; v < kVectors; ++v) {
        if constexpr (kApart >= kLanes)
          other[v] = vector[v ^ (kApart / kLanes)];
        else
          other[v] = swap_lanes<kApart>(D(), vector[v]);
      }
      for (std::size_t v = 0; v < kVectors; ++v) vector[v] = combine(vector[v], other[v]);
      spread<kApart / 2>(stride, combine);
    }
  }
};

/// One value a lane of a block.
template <class W>
struct LaneBlock {
  alignas(64) W lane[kBlockValues<W>];

  void set(W all) { std::fill_n(lane, kBlockValues<W>, all); }
  /// lane k gets of_head[k mod stride], 0 for heads the group only pads.
  void set_heads(const W* of_head, const HeadGroup& group) {
    if (group.stride == 1)
      return set(*of_head);
    for (std::size_t k = 0; k < kBlockValues<W>; ++k) {
      const std::size_t head = k & (group.stride - 1);  // a power of two
      lane[k] = head < group.count ? of_head[head] : W{0};
    }
  }
  template <class Combine>
  void combine(const LaneBlock& other, const Combine& with) {
    BlockVectors<W> mine = vectors();
    const BlockVectors<W> theirs = other.vectors();
    for (std::size_t v = 0; v < mine.kVectors; ++v)
      mine.vector[v] = with(mine.vector[v], theirs.vector[v]);
    *this = mine;
  }
  /// As BlockVectors::spread; `combine` is of vectors.
  template <class Combine>
  HWY_INLINE void spread(std::size_t stride, const Combine& combine) {
    BlockVectors<W> block = vectors();
    block.spread(stride, combine);
    *this = block;
  }

  HWY_INLINE BlockVectors<W> vectors() const {
    BlockVectors<W> block;
    for (std::size_t v = 0; v < block.kVectors; ++v)
      block.vector[v] = hn::Load(BlockTag<W>(), lane + v * block.kLanes);
    return block;
  }
  HWY_INLINE LaneBlock& operator=(const BlockVectors<W>& block) {
    for (std::size_t v = 0; v < block.kVectors; ++v)
      hn::Store(block.vector[v], BlockTag<W>(), lane + v * block.kLanes);
    return *this;
  }
};

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
