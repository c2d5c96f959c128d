// Vectors of the working type from and to rows of the storage type. Per-target header of Highway.
#if defined(REGATTA_KERNELS_CPU_STORAGE_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_STORAGE_LANES_INL_H_
#undef REGATTA_KERNELS_CPU_STORAGE_LANES_INL_H_
#else
#define REGATTA_KERNELS_CPU_STORAGE_LANES_INL_H_
#endif

#include "kernels/storage_types.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Into the first-level cache. GCC drops calls of a function that does nothing else, unless it is
/// always inlined.
template <class T>
HWY_INLINE void prefetch_ahead(const T* at) {
  __builtin_prefetch(at);
}

/// 64 bytes of working values, or what the target has of them.
template <class W>
using BlockTag = hn::CappedTag<W, 64 / sizeof(W)>;

template <class D, class S>
HWY_INLINE hn::Vec<D> load_storage(D d, const S* from) {
  return hn::LoadU(d, from);
}
template <class D>
HWY_INLINE hn::Vec<D> load_storage(D d, const BFloat16* from) {
  const hn::Rebind<std::uint16_t, D> half;
  const hn::RebindToUnsigned<D> word;
  const auto bits = hn::LoadU(half, reinterpret_cast<const std::uint16_t*>(from));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(word, bits)));
}

/// The bits of a vector's bf16 values: to nearest, ties to even, as BFloat16 does.
template <class D>
HWY_INLINE auto bfloat16_bits(hn::Vec<D> value, D d) {
  const hn::Rebind<std::uint16_t, D> half;
  const hn::RebindToUnsigned<D> word;
  const hn::RebindToSigned<D> integer;
  const auto bits = hn::BitCast(word, value);
  const auto upper = hn::ShiftRight<16>(bits);
  const auto odd = hn::And(upper, hn::Set(word, 1U));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(word, 0x7FFFU))));
  const auto quiet = hn::Or(upper, hn::Set(word, 0x40U));
  const auto nan = hn::RebindMask(word, hn::IsNaN(value));
  const auto result = hn::IfThenElse(nan, quiet, rounded);
  return hn::DemoteTo(half, hn::BitCast(integer, result));
}

template <class D, class S>
HWY_INLINE void store_storage(hn::Vec<D> value, D d, S* to) {
  hn::StoreU(value, d, to);
}
template <class D>
HWY_INLINE void store_storage(hn::Vec<D> value, D d, BFloat16* to) {
  const hn::Rebind<std::uint16_t, D> half;
  hn::StoreU(bfloat16_bits(value, d), half, reinterpret_cast<std::uint16_t*>(to));
}

/// Past the caches; `to` is aligned to the vector.
template <class D, class S>
HWY_INLINE void stream_storage(hn::Vec<D> value, D d, S* to) {
  hn::Stream(value, d, to);
}
template <class D>
HWY_INLINE void stream_storage(hn::Vec<D> value, D d, BFloat16* to) {
  const hn::Rebind<std::uint16_t, D> half;
  hn::Stream(bfloat16_bits(value, d), half, reinterpret_cast<std::uint16_t*>(to));
}

// One instruction moves the first lanes of a vector and touches nothing beyond them.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
template <class D, class S>
inline constexpr bool kMovesLanes = std::is_same_v<S, hn::TFromD<D>>;
#else
template <class D, class S>
inline constexpr bool kMovesLanes = false;
#endif

/// The first `count` lanes, no byte more.
template <class D, class S>
HWY_INLINE void store_storage_n(hn::Vec<D> value, D d, S* to, std::size_t count) {
  if (count >= hn::Lanes(d))
    return store_storage(value, d, to);
  if constexpr (kMovesLanes<D, S>)
    return hn::BlendedStore(value, hn::FirstN(d, count), d, to);
  alignas(64) S lanes[hn::MaxLanes(D())];
  store_storage(value, d, lanes);
  std::copy_n(lanes, count, to);
}

/// The same past the caches, where `streamed` says so and a whole aligned vector is stored: saves
/// reading the line first. hwy::FlushStream() must follow before others read.
template <class D, class S>
HWY_INLINE void stream_storage_n(hn::Vec<D> value, D d, S* to, std::size_t count, bool streamed) {
  const std::size_t vector = hn::Lanes(d) * sizeof(S);
  if (streamed && count >= hn::Lanes(d) && reinterpret_cast<std::uintptr_t>(to) % vector == 0)
    return stream_storage(value, d, to);
  store_storage_n(value, d, to, count);
}

/// The first `count` lanes of a row, 0 beyond.
template <class D, class S>
HWY_INLINE hn::Vec<D> load_storage_n(D d, const S* from, std::size_t count) {
  if (count >= hn::Lanes(d))
    return load_storage(d, from);
  if constexpr (kMovesLanes<D, S>)
    return hn::MaskedLoad(hn::FirstN(d, count), d, from);
  alignas(64) S lanes[hn::MaxLanes(D())] = {};
  std::copy_n(from, count, lanes);
  return load_storage(d, static_cast<const S*>(lanes));
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
