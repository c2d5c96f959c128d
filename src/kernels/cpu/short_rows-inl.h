// Softmax of rows of few edges, several rows at a time. Per-target header of Highway.
#if defined(REGATTA_KERNELS_CPU_SHORT_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_SHORT_ROWS_INL_H_
#undef REGATTA_KERNELS_CPU_SHORT_ROWS_INL_H_
#else
#define REGATTA_KERNELS_CPU_SHORT_ROWS_INL_H_
#endif

#include "kernels/cpu/edge_values-inl.h"

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// A row at a time would wait for each of its steps: largest, exponential, sum, quotient and
/// logarithm, some 200 cycles in all. By steps the rows overlap, and exponentials and logarithms
/// fill their vectors. A row's bits do not depend on its neighbours.
template <class W>
class ShortRows {
  using D = BlockTag<W>;
  using V = hn::Vec<D>;
  using Block = BlockVectors<W>;

 public:
  /// Of a row, in vectors.
  static constexpr std::size_t kVectors = 4;
  /// Rows at a time.
  static constexpr std::size_t kRows = 16;

  ShortRows(std::size_t stride, W scale, const KeptFactors<W>& kept)
      : stride_(stride), scale_(scale), kept_(kept) {}

  bool takes(std::int64_t edges) const {
    return static_cast<std::size_t>(edges) * stride_ <= kVectors * Block::kLanes;
  }

  /// Values of the edges of `rows` rows that follow each other, at most kRows: products become
  /// alpha m. store(k, L [stride]) for row k; 0 without edges.
  template <class Store>
  void run(const std::int64_t* begin,
           const std::int64_t* end,
           std::size_t rows,
           W* value,
           const Store& store) const {
    Scratch scratch;
    Totals totals;
    W* first = value + static_cast<std::size_t>(begin[0]) * stride_;
    const auto edges = static_cast<std::size_t>(end[rows - 1] - begin[0]);
    for_rows(
        begin, end, rows, [&]<std::size_t kCount>(std::size_t at, std::size_t n, std::size_t k) {
          shift<kCount>(first + at, n, scratch.power + at, totals.maximum + k);
        });
    for_edge_values<W>(
        edges * stride_, [&](auto d, std::size_t at, std::size_t, std::size_t) HWY_ATTR {
          hn::Store(hn::Exp(d, hn::Load(d, scratch.power + at)), d, scratch.power + at);
        });
    for_rows(
        begin, end, rows, [&]<std::size_t kCount>(std::size_t at, std::size_t n, std::size_t k) {
          add_up<kCount>(scratch.power + at, n, scratch.sum + at, totals.sum + k);
        });
    store_weights(static_cast<std::size_t>(begin[0]), edges, scratch, first);
    find_logarithms(rows, totals);
    for (std::size_t k = 0; k < rows; ++k)
      store(k, begin[k] == end[k] ? totals.zero : totals.maximum + k * stride_);
  }

 private:
  /// A block is stored for each row, the next row's over what is beyond its heads.
  static constexpr std::size_t kTotals = kRows * kGroupHeads + kBlockValues<W>;
  struct Totals {
    alignas(64) W maximum[kTotals];
    alignas(64) W sum[kTotals];
    W zero[kGroupHeads] = {};
  };

  /// Whole vectors are stored for each row, the next row's over what is beyond its values.
  struct Scratch {
    alignas(64) W power[(kRows + 1) * kVectors * Block::kLanes];  ///< exponents, then powers
    alignas(64) W sum[(kRows + 1) * kVectors * Block::kLanes];
  };

  /// body<vectors>(first of the row's values, how many, place of its totals): half of the vectors
  /// or all, so that rows of different length seldom take different ways.
  template <class Body>
  HWY_INLINE void for_rows(const std::int64_t* begin,
                           const std::int64_t* end,
                           std::size_t rows,
                           const Body& body) const {
    for (std::size_t k = 0; k < rows; ++k) {
      const auto at = static_cast<std::size_t>(begin[k] - begin[0]) * stride_;
      const std::size_t values = static_cast<std::size_t>(end[k] - begin[k]) * stride_;
      if (values <= kVectors / 2 * Block::kLanes)
        body.template operator()<kVectors / 2>(at, values, k * stride_);
      else
        body.template operator()<kVectors>(at, values, k * stride_);
    }
  }

  /// Which lanes of vector v are among `values`.
  static HWY_INLINE hn::Mask<D> held(std::size_t v, std::size_t values) {
    const std::size_t before = v * Block::kLanes;
    return hn::FirstN(D(), values > before ? std::min(values - before, Block::kLanes) : 0);
  }
  static HWY_INLINE void store_block(const Block& block, W* to) {
    for (std::size_t v = 0; v < Block::kVectors; ++v)
      hn::StoreU(block.vector[v], D(), to + v * Block::kLanes);
  }

  /// Scales a row and takes its largest value off.
  template <std::size_t kCount>
  HWY_INLINE void shift(const W* row, std::size_t values, W* to, W* maximum) const {
    const D d;
    const V least = hn::Set(d, -std::numeric_limits<W>::infinity());
    V x[kCount];
    Block largest;
    largest.set(-std::numeric_limits<W>::infinity());
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kCount; ++v) {
      x[v] = hn::Mul(hn::LoadU(d, row + v * Block::kLanes), hn::Set(d, scale_));
      V& of_lane = largest.vector[v % Block::kVectors];
      of_lane = hn::Max(of_lane, hn::IfThenElse(held(v, values), x[v], least));
    }
    largest.spread(stride_, [](auto a, auto b) HWY_ATTR { return hn::Max(a, b); });
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kCount; ++v)
      hn::StoreU(hn::Sub(x[v], largest.vector[v % Block::kVectors]), d, to + v * Block::kLanes);
    store_block(largest, maximum);
  }

  /// The sum of a row, for each of its values too.
  template <std::size_t kCount>
  HWY_INLINE void add_up(const W* row, std::size_t values, W* of_value, W* total) const {
    const D d;
    Block sum;
    sum.set(0);
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kCount; ++v) {
      V& of_lane = sum.vector[v % Block::kVectors];
      of_lane = hn::Add(of_lane,
                        hn::IfThenElseZero(held(v, values), hn::LoadU(d, row + v * Block::kLanes)));
    }
    sum.spread(stride_, [](auto a, auto b) HWY_ATTR { return hn::Add(a, b); });
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kCount; ++v)
      hn::StoreU(sum.vector[v % Block::kVectors], d, of_value + v * Block::kLanes);
    store_block(sum, total);
  }

  /// alpha m of all rows.
  void store_weights(std::size_t edge, std::size_t edges, const Scratch& scratch, W* to) const {
    LaneBlock<W> factor;
    factor.set(1);
    for_edge_values<W>(
        edges * stride_, [&](auto d, std::size_t at, std::size_t lane, std::size_t n) HWY_ATTR {
          if (kept_.active() && lane == 0)
            fill_factors(kept_, edge + at / stride_, n / stride_, factor);
          const auto w = hn::Mul(hn::Load(d, scratch.power + at), hn::Load(d, factor.lane + lane));
          store_values(hn::Div(w, hn::Load(d, scratch.sum + at)), d, to + at, n);
        });
  }

  /// L in the places of the maxima.
  HWY_INLINE void find_logarithms(std::size_t rows, Totals& totals) const {
    const D d;
    for (std::size_t k = 0; k < rows * stride_; k += Block::kLanes) {
      const V log = hn::Log(d, hn::Load(d, totals.sum + k));
      hn::Store(hn::Add(hn::Load(d, totals.maximum + k), log), d, totals.maximum + k);
    }
  }

  std::size_t stride_;
  W scale_;
  const KeptFactors<W>& kept_;
};

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
