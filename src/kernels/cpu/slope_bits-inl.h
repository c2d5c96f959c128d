// A bit for each column of a tile where u of gatv2 is above 0, from and to vectors of lanes.
// Per-target header of Highway.
#if defined(REGATTA_KERNELS_CPU_SLOPE_BITS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_SLOPE_BITS_INL_H_
#undef REGATTA_KERNELS_CPU_SLOPE_BITS_INL_H_
#else
#define REGATTA_KERNELS_CPU_SLOPE_BITS_INL_H_
#endif

#include "kernels/cpu/slope_bits.h"

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// The bits of vector v where those of columns from vector 0 on make up a word.
template <class D>
HWY_INLINE std::uint64_t slope_word([[maybe_unused]] D d, hn::Mask<D> above, std::size_t v) {
  constexpr std::size_t kLanes = hn::MaxLanes(D());
  static_assert(kLanes <= 16);
  // A word of just the lanes: a mask reaches it in one move.
  std::conditional_t<(kLanes > 8), std::uint16_t, std::uint8_t> lanes = 0;
  hn::StoreMaskBits(d, above, reinterpret_cast<std::uint8_t*>(&lanes));  // the lowest bits first
  return std::uint64_t{lanes} << (v * kLanes);
}

/// The bits of kColumns columns, in a single store.
template <std::size_t kColumns>
HWY_INLINE void store_slope_word(std::uint64_t word, std::uint8_t* to) {
  std::memcpy(to, &word, kColumns / 8);
}

template <class D>
HWY_INLINE hn::Mask<D> load_slope_bits(D d, const std::uint8_t* tile, std::size_t v) {
  constexpr std::size_t kLanes = hn::MaxLanes(D());
  if constexpr (kLanes >= 8) {
    return hn::LoadMaskBits(d, tile + v * kLanes / 8);
  } else {
    const std::uint8_t bits[8] = {
        static_cast<std::uint8_t>(tile[v * kLanes / 8] >> (v * kLanes % 8))};
    return hn::LoadMaskBits(d, bits);
  }
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
