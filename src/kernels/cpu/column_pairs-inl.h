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

/// body(v, vector v of a row's columns from `from` on) for kVectors vectors, by pairs with kPairs:
/// then the odd columns come first, as in add_pair_products.
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
      body(v + 1, hn::BitCast(d, hn::And(both, hn::Set(word, 0xFFFF0000U))));
      body(v, hn::BitCast(d, hn::ShiftLeft<16>(both)));
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

/// Of pairs whose values are bf16: the even vectors get both columns of a lane, as rows have them.
template <std::size_t kVectors, class D>
HWY_INLINE void join_pairs(D d, hn::Vec<D>* columns) {
  const hn::RebindToUnsigned<D> word;
  HWY_UNROLL(8)
  for (std::size_t v = 0; v < kVectors; v += 2)
    columns[v] = hn::BitCast(d,
                             hn::Or(hn::ShiftRight<16>(hn::BitCast(word, columns[v])),
                                    hn::BitCast(word, columns[v + 1])));
}
#endif

// Whether the target's processors may have add_pair_products: better targets are smaller numbers.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
inline constexpr bool kHasPairProducts = true;
/// sum + joined * row, lanes of two columns: the odd columns are multiplied and added first, each
/// sum rounded once, as by two multiply-adds. Needs pair_products_in_use(). Not by its intrinsic:
/// that would take a build of all kernels for such processors alone.
template <class D>
HWY_INLINE hn::Vec<D> add_pair_products(D, hn::Vec<D> joined, const BFloat16* row, hn::Vec<D> sum) {
  asm("vdpbf16ps %2, %1, %0"
      : "+v"(sum.raw)
      : "v"(joined.raw), "m"(*reinterpret_cast<const __m512i_u*>(row)));
  return sum;
}
#else
inline constexpr bool kHasPairProducts = false;
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
