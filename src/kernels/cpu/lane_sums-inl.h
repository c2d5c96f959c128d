// Sums of the lanes of several vectors at once. Per-target header of Highway.
#if defined(REGATTA_KERNELS_CPU_LANE_SUMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_LANE_SUMS_INL_H_
#undef REGATTA_KERNELS_CPU_LANE_SUMS_INL_H_
#else
#define REGATTA_KERNELS_CPU_LANE_SUMS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR
/// The sum of a vector's 128-bit blocks.
template <class D>
HWY_INLINE auto add_blocks(D d, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(D()) <= 4) {
    return v;
  } else {
    const hn::Half<D> half;
    return add_blocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

/// Sum of each of four vectors, in the order of the vectors.
template <class D>
HWY_INLINE auto sum_four(D d, const hn::Vec<D>* v) {
  static_assert(sizeof(hn::TFromD<D>) == 4);
  const hn::RepartitionToWide<D> wide;
  const auto pairs = [&](hn::Vec<D> a, hn::Vec<D> b) HWY_ATTR {
    return hn::BitCast(wide, hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b)));
  };
  const auto ab = pairs(v[0], v[1]);
  const auto cd = pairs(v[2], v[3]);
  const auto blocks = hn::Add(hn::BitCast(d, hn::InterleaveLower(wide, ab, cd)),
                              hn::BitCast(d, hn::InterleaveUpper(wide, ab, cd)));
  return add_blocks(d, blocks);
}

/// Sums of 32 lanes by eights.
template <class D>
HWY_INLINE auto sum_eights(D d, const hn::Vec<D>* v) {
  if constexpr (hn::MaxLanes(D()) == 16) {
    const hn::Half<D> half;
    const hn::Vec<hn::Half<D>> eight[4] = {hn::LowerHalf(half, v[0]),
                                           hn::UpperHalf(half, v[0]),
                                           hn::LowerHalf(half, v[1]),
                                           hn::UpperHalf(half, v[1])};
    return sum_four(half, eight);
  } else if constexpr (hn::MaxLanes(D()) == 8) {
    return sum_four(d, v);
  } else {
    const hn::Vec<D> eight[4] = {
        hn::Add(v[0], v[1]), hn::Add(v[2], v[3]), hn::Add(v[4], v[5]), hn::Add(v[6], v[7])};
    return sum_four(d, eight);
  }
}
#endif

/// Lanes of each `segment`, a power of two, replaced by their sum.
template <class D>
HWY_INLINE hn::Vec<D> sum_segments(D d, hn::Vec<D> v, std::size_t segment) {
  if constexpr (hn::MaxLanes(D()) >= 2) {
    if (segment >= 2)
      v = hn::Add(v, hn::Reverse2(d, v));
  }
  if constexpr (hn::MaxLanes(D()) >= 4) {
    if (segment >= 4)
      v = hn::Add(v, hn::Reverse4(d, v));
  }
  if constexpr (hn::MaxLanes(D()) >= 8) {
    if (segment >= 8)
      v = hn::Add(v, hn::Reverse8(d, v));
  }
  if constexpr (hn::MaxLanes(D()) >= 16) {
    if (segment >= 16)
      v = hn::Add(v, hn::Reverse(d, v));
  }
  return v;
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
