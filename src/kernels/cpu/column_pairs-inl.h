// Rows in vectors of columns, two vectors at a time. Per-target header of Highway.
#if defined(REGATTA_KERNELS_CPU_COLUMN_PAIRS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_COLUMN_PAIRS_INL_H_
#undef REGATTA_KERNELS_CPU_COLUMN_PAIRS_INL_H_
#else
#define REGATTA_KERNELS_CPU_COLUMN_PAIRS_INL_H_
#endif

#include "kernels/cpu/storage_lanes-inl.h"

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Whether rows of S are read in pairs of vectors, the first with the even columns of both and the
/// second with the odd ones: a shift or a mask then widens a vector of bf16, which else takes a
/// shuffle and a shift.
template <class S, std::size_t kVectors>
inline constexpr bool kByPairs = (HWY_TARGET != HWY_SCALAR) && std::is_same_v<S, BFloat16> &&
                                 (kVectors % 2 == 0);

/// body(v, vector v of a row's columns from `from` on) for kVectors vectors, by pairs with kPairs.
template <bool kPairs, std::size_t kVectors, class S, class D, class Body>
HWY_INLINE void for_columns(D d, const S* from, const Body& body) {
  const std::size_t lanes = hn::Lanes(d);
  if constexpr (kPairs) {
    static_assert(kByPairs<S, kVectors>);
    const hn::Repartition<std::uint16_t, D> half;
    const hn::RebindToUnsigned<D> word;
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; v += 2) {
      const auto* bits = reinterpret_cast<const std::uint16_t*>(from + v * lanes);
      const auto both = hn::BitCast(word, hn::LoadU(half, bits));
      body(v, hn::BitCast(d, hn::ShiftLeft<16>(both)));
      body(v + 1, hn::BitCast(d, hn::And(both, hn::Set(word, 0xFFFF0000U))));
    }
  } else {
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) body(v, load_storage(d, from + v * lanes));
  }
}

#if HWY_TARGET != HWY_SCALAR
/// Vectors of columns in order, by pairs.
template <std::size_t kVectors, class D>
HWY_INLINE void pair_columns(D d, hn::Vec<D>* columns) {
  HWY_UNROLL(8)
  for (std::size_t v = 0; v < kVectors; v += 2) {
    const auto even = hn::ConcatEven(d, columns[v + 1], columns[v]);
    columns[v + 1] = hn::ConcatOdd(d, columns[v + 1], columns[v]);
    columns[v] = even;
  }
}
#endif

/// Stores in order what for_columns ordered.
template <bool kPairs, std::size_t kVectors, class D>
HWY_INLINE void store_columns(D d, const hn::Vec<D>* columns, hn::TFromD<D>* to) {
  const std::size_t lanes = hn::Lanes(d);
  HWY_UNROLL(8)
  for (std::size_t v = 0; v < kVectors; v += kPairs ? 2 : 1) {
    if constexpr (kPairs)
      hn::StoreInterleaved2(columns[v], columns[v + 1], d, to + v * lanes);
    else
      hn::Store(columns[v], d, to + v * lanes);
  }
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
