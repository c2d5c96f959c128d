// The rows of a pass's items, columns of a tile at a time. Per-target header of Highway.
#if defined(REGATTA_KERNELS_CPU_ITEM_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_ITEM_ROWS_INL_H_
#undef REGATTA_KERNELS_CPU_ITEM_ROWS_INL_H_
#else
#define REGATTA_KERNELS_CPU_ITEM_ROWS_INL_H_
#endif

#include "kernels/cpu/row_products.h"
#include "kernels/cpu/storage_lanes-inl.h"

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Items ahead of the one in hand whose rows are asked for: no hardware prefetcher follows rows
/// that lie far apart.
inline constexpr std::int64_t kItemsAhead = 8;

template <class S>
HWY_INLINE const S* item_row(const ItemRows& rows, const ColumnTile& tile, std::int64_t i) {
  return static_cast<const S*>(rows.base) + static_cast<std::size_t>(i) * rows.stride + tile.first;
}

/// The first `count` of a row's columns in `vectors` vectors, 0 beyond: narrow tiles are rare, so
/// their code is kept out of the passes.
template <class S, class D>
HWY_NOINLINE void load_narrow_item(
    D d, const S* from, std::size_t count, std::size_t vectors, hn::TFromD<D>* to) {
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t v = 0; v < vectors; ++v)
    hn::Store(
        v * lanes < count ? load_storage_n(d, from + v * lanes, count - v * lanes) : hn::Zero(d),
        d,
        to + v * lanes);
}

/// The tile's columns of row i of `items` in kVectors vectors, 0 beyond; asks for a later row.
template <class S, std::size_t kVectors, class D>
HWY_INLINE void load_item(D d,
                          const ItemRows& rows,
                          const ColumnTile& tile,
                          std::int64_t i,
                          std::int64_t items,
                          hn::Vec<D>* to) {
  constexpr std::size_t kLanes = hn::MaxLanes(D());
  constexpr std::size_t kColumns = kVectors * kLanes;
  const S* from = item_row<S>(rows, tile, i);
  if (HWY_LIKELY(tile.count == kColumns)) {
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) to[v] = load_storage(d, from + v * kLanes);
  } else {
    alignas(64) hn::TFromD<D> columns[kColumns];
    load_narrow_item<S>(d, from, tile.count, kVectors, columns);
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) to[v] = hn::Load(d, columns + v * kLanes);
  }
  if (i + kItemsAhead >= items)
    return;
  const S* later = item_row<S>(rows, tile, i + kItemsAhead);
  for (std::size_t c = 0; c < tile.count; c += 64 / sizeof(S)) prefetch_ahead(later + c);
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
