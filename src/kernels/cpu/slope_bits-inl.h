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

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Bits of the columns of vector v, from the tile's first byte on; vectors are stored in order.
template <class D>
HWY_INLINE void store_slope_bits(D d, hn::Mask<D> above, std::size_t v, std::uint8_t* tile) {
  constexpr std::size_t kLanes = hn::MaxLanes(D());
  if constexpr (kLanes >= 8) {
    hn::StoreMaskBits(d, above, tile + v * kLanes / 8);
  } else {
    std::uint8_t bits[8] = {};
    hn::StoreMaskBits(d, above, bits);
    const std::size_t shift = v * kLanes % 8;
    std::uint8_t& byte = tile[v * kLanes / 8];
    byte = static_cast<std::uint8_t>((shift == 0 ? 0U : byte) | (unsigned{bits[0]} << shift));
  }
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
