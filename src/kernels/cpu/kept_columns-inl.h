// Which columns of rows dropout keeps, a bit each: one lane is one row. Per-target header of
// Highway.
#if defined(REGATTA_KERNELS_CPU_KEPT_COLUMNS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_KEPT_COLUMNS_INL_H_
#undef REGATTA_KERNELS_CPU_KEPT_COLUMNS_INL_H_
#else
#define REGATTA_KERNELS_CPU_KEPT_COLUMNS_INL_H_
#endif

#include "kernels/cpu/dropout_factors-inl.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Columns whose bits fill a word.
inline constexpr std::size_t kBitColumns = 64;

/// The bits of a vector of rows: counter (id, column / 4), word column % 4.
template <class D>
HWY_INLINE hn::Vec<D> kept_bits(D d,
                                std::uint64_t key,
                                std::uint32_t threshold,
                                hn::Vec<D> id,
                                std::size_t first,
                                std::size_t count) {
  auto bits = hn::Zero(d);
  for (std::size_t group = first / 4; 4 * group < first + count; ++group) {
    const auto words = philox(d, key, id, hn::Set(d, static_cast<std::uint64_t>(group)));
    const auto take = [&](hn::Vec<D> word, std::size_t column) HWY_ATTR {
      if (column < first || column >= first + count)
        return;
      const auto bit = hn::Set(d, std::uint64_t{1} << (column - first));
      bits = hn::Or(bits, hn::IfThenZeroElse(dropped(d, word, threshold), bit));
    };
    take(words.c0, 4 * group);
    take(words.c1, 4 * group + 1);
    take(words.c2, 4 * group + 2);
    take(words.c3, 4 * group + 3);
  }
  return bits;
}

/// bits[r], bit c: whether column first + c of the row with id[r] is kept; count <= kBitColumns.
template <class T>
HWY_INLINE void kept_columns(const DropoutPlan<T>& plan,
                             const std::int64_t* id,
                             std::size_t rows,
                             std::size_t first,
                             std::size_t count,
                             std::uint64_t* bits) {
  const hn::ScalableTag<std::uint64_t> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto* ids = reinterpret_cast<const std::uint64_t*>(id);
  std::size_t r = 0;
  for (; r + lanes <= rows; r += lanes)
    hn::StoreU(
        kept_bits(d, plan.key, plan.threshold, hn::LoadU(d, ids + r), first, count), d, bits + r);
  if (r == rows)
    return;
  alignas(64) std::uint64_t rest[hn::MaxLanes(d)] = {};
  std::copy(ids + r, ids + rows, rest);
  hn::Store(kept_bits(d, plan.key, plan.threshold, hn::Load(d, rest), first, count), d, rest);
  std::copy_n(rest, rows - r, bits + r);
}

/// `value` in the lanes of columns `column`, `column` + 1, ... that the bits keep, 0 in the others.
template <class D>
HWY_INLINE hn::Vec<D> kept_lanes(D d, std::uint64_t bits, std::size_t column, hn::Vec<D> value) {
  bits >>= column;
  std::uint8_t bytes[8];
  std::memcpy(bytes, &bits, sizeof(bytes));
  return hn::IfThenElseZero(hn::LoadMaskBits(d, bytes), value);
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
