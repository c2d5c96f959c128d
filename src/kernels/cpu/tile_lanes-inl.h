// Rows that edges fetch from a tile, and sums of its columns by head. Per-target header of Highway.
#if defined(REGATTA_KERNELS_CPU_TILE_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_TILE_LANES_INL_H_
#undef REGATTA_KERNELS_CPU_TILE_LANES_INL_H_
#else
#define REGATTA_KERNELS_CPU_TILE_LANES_INL_H_
#endif

#include "kernels/cpu/lane_sums-inl.h"
#include "kernels/cpu/row_products.h"
#include "kernels/cpu/storage_lanes-inl.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Asks for row j of a tile of kBlocks blocks, or for all its columns that are wanted.
template <class S, std::size_t kBlocks>
HWY_INLINE void ask_for_row(const TileRows& rows, std::size_t j) {
  if (HWY_LIKELY(rows.wanted == nullptr)) {
    const S* row = static_cast<const S*>(rows.base) + j * rows.stride;
    HWY_UNROLL(8)
    for (std::size_t k = 0; k < kBlocks * 64 / sizeof(Working<S>); k += 64 / sizeof(S))
      prefetch_ahead(row + k);
    return;
  }
  const auto* row = static_cast<const std::byte*>(rows.wanted) + j * rows.stride * sizeof(S);
  for (std::size_t k = 0; k < rows.wanted_bytes; k += 64) prefetch_ahead(row + k);
}

/// The rows that edges gather.
template <class S>
class TileTable {
 public:
  TileTable(const TileRows& rows, const EdgeLists& edges)
      : rows_(rows),
        index_(edges.index),
        last_(rows.prefetch ? edges.begin[edges.count] - rows.ahead : -1) {}

  HWY_INLINE const S* row(std::int64_t e) const {
    return static_cast<const S*>(rows_.base) + static_cast<std::size_t>(index_[e]) * rows_.stride;
  }
  /// Edges before it have another `ahead` of them whose row is to be asked for.
  HWY_INLINE std::int64_t asks_end() const { return last_; }
  /// Of an edge e before asks_end().
  template <std::size_t kBlocks>
  HWY_INLINE void ask(std::int64_t e) const {
    ask_for_row<S, kBlocks>(rows_, static_cast<std::size_t>(index_[e + rows_.ahead]));
  }
  template <std::size_t kBlocks>
  HWY_INLINE void prefetch(std::int64_t e) const {
    if (e < last_)
      ask<kBlocks>(e);
  }

 private:
  TileRows rows_;
  const std::int32_t* index_;
  std::int64_t last_;
};

/// Which head of the group each column of a tile belongs to.
template <class W, std::size_t kColumns>
class TileHeads {
 public:
  TileHeads(const ColumnTile& tile, const HeadGroup& group, std::size_t width)
      : count_(tile.count), first_(tile.first / width - group.first), width_(width) {
    for (std::size_t c = 0; c < kColumns; ++c)
      head_[c] = static_cast<std::uint32_t>((tile.first + std::min(c, tile.count - 1)) / width -
                                            group.first);
    const bool whole = tile.first % width == 0 && (width & (width - 1)) == 0;
    segment_ = whole ? std::min(width, hn::Lanes(BlockTag<W>())) : 1;
  }

  bool one() const { return head_[0] == head_[kColumns - 1]; }
  std::size_t first() const { return first_; }
  /// Four whole heads of eight columns, all of a group.
  bool eights() const {
    return kColumns == 4 * 8 && count_ == kColumns && first_ == 0 && width_ == 8;
  }

  /// to[h] += the sum of the lanes of head h. Lanes of a head that share a vector are added first
  /// where heads fill powers of two.
  template <class D>
  HWY_INLINE void add_sums(D d, const hn::Vec<D>* terms, W* to) const {
    const std::size_t lanes = hn::Lanes(d);
    alignas(64) W lane[kColumns];
    for (std::size_t v = 0; v < kColumns / lanes; ++v)
      hn::Store(sum_segments(d, terms[v], segment_), d, lane + v * lanes);
    for (std::size_t c = 0; c < count_; c += segment_) to[head_[c]] += lane[c];
  }

 private:
  std::size_t count_;
  std::size_t first_;
  std::size_t width_;
  std::size_t segment_;  ///< columns that sum_segments has added up
  std::uint32_t head_[kColumns];
};

/// Weights of an edge in the lanes of a tile's columns.
template <class W, std::size_t kColumns>
class TileWeights {
  using D = BlockTag<W>;
  using Index = std::conditional_t<sizeof(W) == 8, std::int64_t, std::int32_t>;

 public:
  TileWeights(const ColumnTile& tile, const HeadGroup& group, std::size_t width)
      : wide_(group.stride > kGroupHeads) {
    for (std::size_t c = 0; c < kColumns; ++c) {
      head_[c] =
          static_cast<Index>((tile.first + std::min(c, tile.count - 1)) / width - group.first);
    }
  }

  bool one() const { return head_[0] == head_[kColumns - 1]; }
  /// Head of the first column; of all where one().
  std::size_t first() const { return static_cast<std::size_t>(head_[0]); }
  /// Reads 64 bytes of weights.
  HWY_INLINE hn::Vec<D> of(D d, const W* weight, std::size_t v) const {
    const Index* head = head_ + v * hn::Lanes(d);
    if constexpr (hn::MaxLanes(D()) >= kMostGroupHeads) {
      return hn::TableLookupLanes(hn::LoadU(d, weight), hn::SetTableIndices(d, head));
    } else if constexpr (hn::MaxLanes(D()) >= kGroupHeads) {
      const hn::RebindToSigned<D> di;
      const auto heads = hn::Load(di, head);
      const auto last = hn::Set(di, Index{kGroupHeads - 1});
      const auto place = hn::IndicesFromVec(d, hn::And(heads, last));
      const auto low = hn::TableLookupLanes(hn::LoadU(d, weight), place);
      if (!wide_)
        return low;
      const auto high = hn::TableLookupLanes(hn::LoadU(d, weight + kGroupHeads), place);
      return hn::IfThenElse(hn::RebindMask(d, hn::Gt(heads, last)), high, low);
    } else {
      return hn::GatherIndex(d, weight, hn::Load(hn::RebindToSigned<D>(), head));
    }
  }

 private:
  bool wide_;  ///< more heads than the shortest vector that is looked up in
  alignas(64) Index head_[kColumns];
};

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
