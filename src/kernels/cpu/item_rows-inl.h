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
  const bool asks = i + kItemsAhead < items;
  const S* later = asks ? item_row<S>(rows, tile, i + kItemsAhead) : nullptr;
  if (HWY_LIKELY(tile.count == kColumns)) {
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) to[v] = load_storage(d, from + v * kLanes);
    if (asks) {
      HWY_UNROLL(8)
      for (std::size_t c = 0; c < kColumns; c += 64 / sizeof(S)) prefetch_ahead(later + c);
    }
    return;
  }
  for (std::size_t v = 0; v < kVectors; ++v)
    to[v] = v * kLanes < tile.count ? load_storage_n(d, from + v * kLanes, tile.count - v * kLanes)
                                    : hn::Zero(d);
  if (asks)
    for (std::size_t c = 0; c < tile.count; c += 64 / sizeof(S)) prefetch_ahead(later + c);
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
