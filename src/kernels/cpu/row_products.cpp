// Four edges of one head are reduced together: half the shuffles of four single sums.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/row_products.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "kernels/cpu/column_pairs-inl.h"
#include "kernels/cpu/edge_pieces.h"
#include "kernels/cpu/item_rows-inl.h"
#include "kernels/cpu/leaky_tile-inl.h"
#include "kernels/cpu/pair_products.h"
#include "kernels/cpu/row_products.h"
#include "kernels/cpu/slope_bits-inl.h"
#include "kernels/cpu/tile_lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

/// kPairProduct: by add_pair_products. kLeakyByMaximum: of a slope of at most 1, LeakyReLU is the
/// larger of u and its slope times u.
enum class Logit { kProduct, kPairProduct, kLeaky, kLeakyByMaximum, kLeakyWithFeatures };

constexpr bool is_leaky(Logit logit) {
  return logit != Logit::kProduct && logit != Logit::kPairProduct;
}

/// Of tiles of kBlocks blocks that are summed by parts of kPart.
template <class S, std::size_t kBlocks, std::size_t kPart, Logit kLogit, bool kTwo, bool kBits>
class TileProducts {
  using W = Working<S>;
  using D = BlockTag<W>;
  using V = hn::Vec<D>;
  static constexpr std::size_t kLanes = hn::MaxLanes(D());
  static constexpr std::size_t kVectors = kBlocks * (64 / sizeof(W)) / kLanes;
  static constexpr std::size_t kParts = kBlocks / kPart;
  static constexpr std::size_t kPartVectors = kVectors / kParts;
  static constexpr bool kLeaky = is_leaky(kLogit);
  static constexpr bool kPairProducts = kLogit == Logit::kPairProduct;
  /// Sums of one head may take columns in any order, bits and features have theirs.
  static constexpr bool kPairs =
      kByPairs<S, kPartVectors> && !kBits && kLogit != Logit::kLeakyWithFeatures;
  /// Whether a pass runs by a copy of itself, which no store can change, so that it stays in
  /// registers, and edges that all ask have a loop of their own. It takes code: there are hundreds
  /// of these classes, so those that are seldom met go without.
  static constexpr bool kInRegisters =
      HWY_TARGET != HWY_SCALAR && sizeof(W) == 4 && kLogit != Logit::kLeakyWithFeatures;
  /// A tile may have four heads of eight columns.
  static constexpr bool kEights =
      HWY_TARGET != HWY_SCALAR && sizeof(W) == 4 && kVectors * kLanes == 4 * 8;

 public:
  explicit TileProducts(const RowProducts& pass)
      : pass_(pass),
        table_(pass.table, pass.edges),
        leaky_(pass.leaky, pass.tile),
        heads_(pass.tile, pass.group, pass.width),
        product_(static_cast<W*>(pass.product)),
        second_(static_cast<W*>(pass.second_product)),
        bits_(pass.bits.tile(pass.tile.first - pass.group.first * pass.width)) {
    if (pairs())
      leaky_.pair_columns();
  }

  void run(const EdgePieces& pieces) const {
    pieces.run([&](const EdgePiece& piece) { run_items(piece); });
  }

  /// Or a hub's part.
  HWY_NOINLINE void run_items(const EdgePiece& piece) const {
    if constexpr (kInRegisters)
      TileProducts(*this).multiply(piece);
    else
      multiply(piece);
  }

 private:
  HWY_INLINE void multiply(const EdgePiece& piece) const {
    const D d;
    V fixed[kVectors];
    V second[kVectors];
    for (std::int64_t i = piece.items.begin; i < piece.items.end; ++i) {
      const std::int64_t k = i - piece.items.begin;
      load_row(d, pass_.rows, i, fixed);
      if (kTwo)
        load_row(d, pass_.second_rows, i, second);
      if (pairs())
        in_pairs(d, fixed, second);
      if (kParts > 1 || kPairProducts || heads_.one())
        one_head(d, piece.begin[k], piece.end[k], fixed, second);
      else
        many_heads(d, piece.begin[k], piece.end[k], fixed, second);
    }
  }

  HWY_INLINE void load_row(D d, const ItemRows& rows, std::int64_t i, V* to) const {
    load_item<S, kVectors>(d, rows, pass_.tile, i, pass_.edges.count, to);
  }

  /// Whether tables are read by pairs: of groups of one head.
  HWY_INLINE bool pairs() const { return kPairs && pass_.group.stride == 1; }

  HWY_INLINE void in_pairs(D d, V* fixed, V* second) const {
    if constexpr (kPairs) {
      pair_columns<kVectors>(d, fixed);
      if (kTwo)
        pair_columns<kVectors>(d, second);
    }
    if constexpr (kPairProducts) {
      join_pairs<kVectors>(d, fixed);
      if (kTwo)
        join_pairs<kVectors>(d, second);
    }
  }

  /// Factors of column vector v whose product the logit sums.
  HWY_INLINE V
  term(D d, std::size_t v, std::int64_t e, V row, V fixed, std::uint64_t& slopes) const {
    if constexpr (kLeaky)
      return hn::Mul(leaky_.vector(d, v), leaky_value(d, v, e, row, fixed, slopes));
    else
      return hn::Mul(row, fixed);
  }

  /// `slopes` gets the bits of the vector, in the word of its part.
  HWY_INLINE V
  leaky_value(D d, std::size_t v, std::int64_t e, V row, V fixed, std::uint64_t& slopes) const {
    const V u = leaky_.add(d, v, e, hn::Add(row, fixed));
    if constexpr (kLogit == Logit::kLeakyByMaximum)
      return leaky_.maximum(d, u);
    const auto above = hn::Gt(u, hn::Zero(d));
    if constexpr (kBits)
      slopes |= slope_word(d, above, v % kPartVectors);
    return leaky_.activate(d, above, u);
  }

  HWY_INLINE void store_slopes(std::int64_t e, std::size_t part, std::uint64_t slopes) const {
    constexpr std::size_t kColumns = kPartVectors * kLanes;
    if constexpr (kBits)
      store_slope_word<kColumns>(
          slopes, bits_ + static_cast<std::size_t>(e) * pass_.bits.stride + part * kColumns / 8);
  }

  /// For the row of a later edge: of an edge before asks_end() with kAlways.
  template <bool kAlways>
  HWY_INLINE void ask(std::int64_t e) const {
    if constexpr (kAlways)
      table_.template ask<kBlocks>(e);
    else
      table_.template prefetch<kBlocks>(e);
  }

  template <bool kInPairs, bool kAlwaysAsk>
  HWY_INLINE void sum_edge(D d,
                           std::int64_t e,
                           std::size_t part,
                           const V* fixed,
                           const V* second,
                           V& sum,
                           V& sum2) const {
    const S* row = table_.row(e);
    if (part == 0)
      ask<kAlwaysAsk>(e);
    sum = sum2 = hn::Zero(d);
    if constexpr (kPairProducts)
      return sum_pairs(d, row, part, fixed, second, sum, sum2);
    std::uint64_t slopes = 0;
    for_columns<kInPairs, kPartVectors>(
        d, row + part * kPartVectors * kLanes, [&](std::size_t k, V x) HWY_ATTR {
          const std::size_t v = part * kPartVectors + k;
          if constexpr (kLeaky)
            sum = hn::MulAdd(leaky_.vector(d, v), leaky_value(d, v, e, x, fixed[v], slopes), sum);
          else
            sum = hn::MulAdd(x, fixed[v], sum);
          if constexpr (kTwo)
            sum2 = hn::MulAdd(x, second[v], sum2);
        });
    store_slopes(e, part, slopes);
  }

  HWY_INLINE void sum_pairs(
      D d, const S* row, std::size_t part, const V* fixed, const V* second, V& sum, V& sum2) const {
    HWY_UNROLL(8)
    for (std::size_t k = 0; k < kPartVectors; k += 2) {
      const std::size_t v = part * kPartVectors + k;
      sum = add_pair_products(d, fixed[v], row + v * kLanes, sum);
      if constexpr (kTwo)
        sum2 = add_pair_products(d, second[v], row + v * kLanes, sum2);
    }
  }

  HWY_INLINE void one_head(
      D d, std::int64_t begin, std::int64_t end, const V* fixed, const V* second) const {
#if HWY_TARGET != HWY_SCALAR
    if constexpr (sizeof(W) == 4) {
      if (kPairProducts || pass_.group.stride == 1)
        return by_four(d, begin, end, fixed, second);
    }
#endif
    for (std::int64_t e = begin; e < end; ++e) {
      const auto at = static_cast<std::size_t>(e) * pass_.group.stride;
      if (!pass_.add)
        clear(at);
      for (std::size_t part = 0; part < kParts; ++part) {
        V sum;
        V sum2;
        sum_edge<false, false>(d, e, part, fixed, second, sum, sum2);
        product_[at + heads_.first()] += hn::GetLane(hn::SumOfLanes(d, sum));
        if constexpr (kTwo)
          second_[at + heads_.first()] += hn::GetLane(hn::SumOfLanes(d, sum2));
      }
    }
  }

#if HWY_TARGET != HWY_SCALAR
  /// Edges of a group of one head.
  HWY_INLINE void by_four(
      D d, std::int64_t e, std::int64_t end, const V* fixed, const V* second) const {
    if constexpr (kInRegisters) {
      const std::int64_t asking = std::min(end, table_.asks_end());
      for (; e + 4 <= asking; e += 4) some_edges<4, true>(d, e, 4, fixed, second);
    }
    for (; e + 4 <= end; e += 4) some_edges<4, false>(d, e, 4, fixed, second);
    if (e < end)
      some_edges<3, false>(d, e, static_cast<std::size_t>(end - e), fixed, second);
  }

  /// kMost edges where that is four, else 1 to kMost.
  template <std::size_t kMost, bool kAlwaysAsk>
  HWY_INLINE void some_edges(
      D d, std::int64_t e, std::size_t count, const V* fixed, const V* second) const {
    V sum[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
    V sum2[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
    HWY_UNROLL(4)
    for (std::size_t part = 0; part < kParts; ++part) {
      HWY_UNROLL(4)
      for (std::size_t k = 0; k < kMost; ++k)
        if (kMost == 4 || k < count)
          sum_edge<kPairs, kAlwaysAsk>(
              d, e + static_cast<std::int64_t>(k), part, fixed, second, sum[k], sum2[k]);
      store_some(sum_four(d, sum), count, part > 0 || pass_.add, product_ + e);
      if constexpr (kTwo)
        store_some(sum_four(d, sum2), count, part > 0 || pass_.add, second_ + e);
    }
  }

  /// The first `count` of four sums.
  HWY_INLINE void store_some(hn::Vec<hn::FixedTag<W, 4>> sums,
                             std::size_t count,
                             bool add,
                             W* to) const {
    const hn::FixedTag<W, 4> four;
    if (add)
      sums = hn::Add(sums, load_storage_n(four, static_cast<const W*>(to), count));
    store_storage_n(sums, four, to, count);
  }
#endif

  HWY_INLINE void clear(std::size_t at) const {
    std::fill_n(product_ + at, pass_.group.stride, W{0});
    if constexpr (kTwo)
      std::fill_n(second_ + at, pass_.group.stride, W{0});
  }

  HWY_INLINE void many_heads(
      D d, std::int64_t begin, std::int64_t end, const V* fixed, const V* second) const {
    const bool eights = kEights && pass_.group.stride == 4 && heads_.eights();
    V terms[kVectors];
    V terms2[kVectors];
    for (std::int64_t e = begin; e < end; ++e) {
      const S* row = table_.row(e);
      ask<false>(e);
      std::uint64_t slopes = 0;
      HWY_UNROLL(8)
      for (std::size_t v = 0; v < kVectors; ++v) {
        const auto x = load_storage(d, row + v * kLanes);
        terms[v] = term(d, v, e, x, fixed[v], slopes);
        if constexpr (kTwo)
          terms2[v] = hn::Mul(x, second[v]);
      }
      store_slopes(e, 0, slopes);
      const auto at = static_cast<std::size_t>(e) * pass_.group.stride;
      if (eights) {
        store_eights(d, terms, product_ + at);
        if constexpr (kTwo)
          store_eights(d, terms2, second_ + at);
        continue;
      }
      if (!pass_.add)
        clear(at);
      heads_.add_sums(d, terms, product_ + at);
      if constexpr (kTwo)
        heads_.add_sums(d, terms2, second_ + at);
    }
  }

  HWY_INLINE void store_eights(D d, const V* terms, W* to) const {
    if constexpr (kEights)
      store_some(sum_eights(d, terms), 4, pass_.add, to);
  }

  const RowProducts pass_;
  TileTable<S> table_;
  LeakyTile<W, kLeaky ? kVectors * kLanes : kLanes, kLogit == Logit::kLeakyWithFeatures> leaky_;
  TileHeads<W, kVectors * kLanes> heads_;
  W* product_;
  W* second_;
  std::uint8_t* bits_;
};

using Pass = std::unique_ptr<EdgePass>;

template <class Tile>
Pass pass_of(const RowProducts& pass) {
  return std::make_unique<EdgePassOf<RowProducts, Tile>>(pass);
}

template <class S, std::size_t kBlocks, std::size_t kPart, Logit kLogit>
Pass with_bits(const RowProducts& pass) {
  constexpr bool kLeaky = is_leaky(kLogit);
  if (kLeaky && pass.bits.base == nullptr) {
    // A slope above 1 is rare: it takes the code for features, of which it has none.
    if (kLogit == Logit::kLeaky && pass.leaky->slope <= 1)
      return pass_of<TileProducts<S, kBlocks, kPart, Logit::kLeakyByMaximum, false, false>>(pass);
    return pass_of<TileProducts<S, kBlocks, kPart, Logit::kLeakyWithFeatures, false, false>>(pass);
  }
  if (pass.second_product != nullptr)
    return pass_of<TileProducts<S, kBlocks, kPart, kLogit, true, kLeaky>>(pass);
  return pass_of<TileProducts<S, kBlocks, kPart, kLogit, false, kLeaky>>(pass);
}

template <class S, std::size_t kBlocks, std::size_t kPart = kBlocks>
Pass with_logit(const RowProducts& pass) {
  if (pass.leaky == nullptr) {
    if constexpr (kHasPairProducts && kByPairs<S, kPart>) {
      if (pass.group.stride == 1 && pair_products_in_use())
        return with_bits<S, kBlocks, kPart, Logit::kPairProduct>(pass);
    }
    return with_bits<S, kBlocks, kPart, Logit::kProduct>(pass);
  }
  if (pass.leaky->weight == nullptr)
    return with_bits<S, kBlocks, kPart, Logit::kLeaky>(pass);
  return with_bits<S, kBlocks, kPart, Logit::kLeakyWithFeatures>(pass);
}

}  // namespace

Pass row_products_target(const RowProducts& pass) {
  Pass made;
  with_storage(pass.dtype, [&]<class S>(S) {
    if (pass.part_blocks == 1)
      made = with_logit<S, 4, 1>(pass);
    else if (pass.part_blocks == 2)
      made = with_logit<S, 4, 2>(pass);
    else if (pass.tile.blocks == 1)
      made = with_logit<S, 1>(pass);
    else if (pass.tile.blocks == 2)
      made = with_logit<S, 2>(pass);
    else
      made = with_logit<S, 4>(pass);
  });
  return made;
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(row_products_target);

std::unique_ptr<EdgePass> row_products_pass(const RowProducts& pass) {
  return HWY_DYNAMIC_DISPATCH(row_products_target)(pass);
}

void row_products(const RowProducts& pass) {
  row_products_pass(pass)->run();
}

}  // namespace regatta::cpu
#endif
