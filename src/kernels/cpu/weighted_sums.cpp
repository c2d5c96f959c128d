// The sums of a tile stay in registers while an item's edges go by.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/weighted_sums.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "kernels/cpu/column_pairs-inl.h"
#include "kernels/cpu/edge_pieces.h"
#include "kernels/cpu/tile_lanes-inl.h"
#include "kernels/cpu/weighted_sums.h"

#include <hwy/cache_control.h>

#include <iterator>
#include <vector>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

template <class S, std::size_t kBlocks, WeightUse kUse, bool kOneHead>
class TileSums {
  using W = Working<S>;
  using D = BlockTag<W>;
  static constexpr std::size_t kLanes = hn::MaxLanes(D());
  static constexpr std::size_t kVectors = kBlocks * (64 / sizeof(W)) / kLanes;
  static constexpr bool kTwo = kUse == WeightUse::kMagnitudeAndSecond;
  static constexpr bool kPairs = kOneHead && kByPairs<S, kVectors>;

 public:
  explicit TileSums(const WeightedSums& pass)
      : pass_(pass),
        weight_(static_cast<const W*>(pass.weight)),
        weight_stride_(pass.weight_stride == 0 ? pass.group.stride : pass.weight_stride),
        table_(pass.table, pass.edges),
        weights_(pass.tile, pass.group, pass.width) {}

  void run(const EdgePieces& pieces) const {
    pieces.run_merged<Sums>(
        [&](const EdgePiece& piece, std::vector<Sums>& of_part) { run_piece(piece, of_part); },
        [](Sums& total, const Sums& sums) { total.add(sums); },
        [&](std::int64_t item, const Sums& total) { finish(item, total); });
    hwy::FlushStream();
  }

  void run_items(const EdgePiece& piece) const {
    Sums sums;
    for (std::int64_t i = piece.items.begin; i < piece.items.end; ++i) {
      const std::int64_t k = i - piece.items.begin;
      sum_edges(piece.begin[k], piece.end[k], sums);
      finish(i, sums);
    }
  }

 private:
  struct Sums {
    alignas(64) W first[kVectors * kLanes];
    alignas(64) W second[kTwo ? kVectors * kLanes : 1];

    void add(const Sums& more) {
      for (std::size_t c = 0; c < std::size(first); ++c) first[c] += more.first[c];
      for (std::size_t c = 0; c < std::size(second); ++c) second[c] += more.second[c];
    }
  };

  void run_piece(const EdgePiece& piece, std::vector<Sums>& of_part) const {
    if (piece.part != nullptr)
      return sum_edges(*piece.begin, *piece.end, of_part[piece.part->number]);
    run_items(piece);
    hwy::FlushStream();  // finish may have stored past the caches
  }

  HWY_INLINE void finish(std::int64_t i, const Sums& sums) const {
    pass_.finish(pass_.context, i, pass_.tile, sums.first, kTwo ? sums.second : nullptr);
  }

  HWY_INLINE void sum_edges(std::int64_t begin, std::int64_t end, Sums& to) const {
    const D d;
    hn::Vec<D> sum[kVectors];
    hn::Vec<D> sum2[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) sum[v] = sum2[v] = hn::Zero(d);
    const TileTable<S> table = table_;  // in registers
    const std::size_t stride = weight_stride_;
    const W* weight = weight_ + static_cast<std::size_t>(begin) * stride;
    if constexpr (kOneHead)
      weight += weights_.first();
    const std::int64_t asking = std::min(end, table.asks_end());
    std::int64_t e = begin;
    for (; e < asking; ++e, weight += stride) {
      table.template ask<kBlocks>(e);
      add(d, table.row(e), weight, sum, sum2);
    }
    for (; e < end; ++e, weight += stride) add(d, table.row(e), weight, sum, sum2);
    store_columns<kPairs, kVectors>(d, sum, to.first);
    if constexpr (kTwo)
      store_columns<kPairs, kVectors>(d, sum2, to.second);
  }

  HWY_INLINE void add(D d, const S* row, const W* weight, hn::Vec<D>* sum, hn::Vec<D>* sum2) const {
    if constexpr (kOneHead) {
      const auto w = hn::Set(d, *weight);
      add_weighted(
          d, row, [&w](std::size_t) HWY_ATTR { return w; }, sum, sum2);
    } else {
      add_weighted(
          d, row, [&](std::size_t v) HWY_ATTR { return weights_.of(d, weight, v); }, sum, sum2);
    }
  }

  template <class WeightOf>
  HWY_INLINE void add_weighted(
      D d, const S* row, const WeightOf& weight_of, hn::Vec<D>* sum, hn::Vec<D>* sum2) const {
    for_columns<kPairs, kVectors>(d, row, [&](std::size_t v, hn::Vec<D> x) HWY_ATTR {
      const auto w = weight_of(v);
      sum[v] = hn::MulAdd(kUse == WeightUse::kPlain ? w : hn::Abs(w), x, sum[v]);
      if constexpr (kTwo)
        sum2[v] = hn::MulAdd(
            hn::Max(w, hn::Mul(w, hn::Set(d, static_cast<W>(pass_.second)))), x, sum2[v]);
    });
  }

  const WeightedSums& pass_;
  const W* weight_;
  std::size_t weight_stride_;
  TileTable<S> table_;
  TileWeights<W, kVectors * kLanes> weights_;
};

using Pass = std::unique_ptr<EdgePass>;

template <class S, std::size_t kBlocks, WeightUse kUse>
Pass with_heads(const WeightedSums& pass) {
  const bool one_head =
      pass.tile.first / pass.width == (pass.tile.first + pass.tile.count - 1) / pass.width;
  if (one_head)
    return std::make_unique<EdgePassOf<WeightedSums, TileSums<S, kBlocks, kUse, true>>>(pass);
  return std::make_unique<EdgePassOf<WeightedSums, TileSums<S, kBlocks, kUse, false>>>(pass);
}

template <class S, std::size_t kBlocks>
Pass with_use(const WeightedSums& pass) {
  switch (pass.use) {
    case WeightUse::kPlain:
      return with_heads<S, kBlocks, WeightUse::kPlain>(pass);
    case WeightUse::kMagnitude:
      return with_heads<S, kBlocks, WeightUse::kMagnitude>(pass);
    default:
      return with_heads<S, kBlocks, WeightUse::kMagnitudeAndSecond>(pass);
  }
}

}  // namespace

Pass weighted_sums_target(const WeightedSums& pass) {
  Pass made;
  with_storage(pass.dtype, [&]<class S>(S) {
    if (pass.tile.blocks == 1)
      made = with_use<S, 1>(pass);
    else if (pass.tile.blocks == 2)
      made = with_use<S, 2>(pass);
    else
      made = with_use<S, 4>(pass);
  });
  return made;
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(weighted_sums_target);

std::unique_ptr<EdgePass> weighted_sums_pass(const WeightedSums& pass) {
  return HWY_DYNAMIC_DISPATCH(weighted_sums_target)(pass);
}

void weighted_sums(const WeightedSums& pass) {
  weighted_sums_pass(pass)->run();
}

}  // namespace regatta::cpu
#endif
