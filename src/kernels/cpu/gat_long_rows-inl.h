// gat's scalars of rows of more than a chunk, and of parts of hubs: three walks over the edges,
// each with the totals of the one before. Per-target header of Highway.
#if defined(REGATTA_KERNELS_CPU_GAT_LONG_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_GAT_LONG_ROWS_INL_H_
#undef REGATTA_KERNELS_CPU_GAT_LONG_ROWS_INL_H_
#else
#define REGATTA_KERNELS_CPU_GAT_LONG_ROWS_INL_H_
#endif

#include "kernels/cpu/gat_scalars-inl.h"
#include "kernels/cpu/kept_edges.h"

#include <algorithm>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

/// Of a long row, or of a hub's part, for each head.
template <class W>
struct LongRowTotals {
  W maximum[kMostGroupHeads] = {};  ///< of u, then LeakyReLU of it
  W sum[kMostGroupHeads] = {};      ///< of exp(e - maximum)
  W positive[kMostGroupHeads] = {};
};

/// What a thread holds of the chunk it is at.
template <class W>
struct RowChunk {
  EdgeChunk<W> u, edge, factor;
  HeadPattern<W> t, largest, inverse;
};

/// Edges begin .. end-1 of a row.
struct LongEdges {
  LongEdges(std::size_t of_row, std::size_t first, std::size_t last)
      : row(of_row), begin(first), end(last) {}
  explicit LongEdges(const HubPart& part)
      : row(static_cast<std::size_t>(part.item)),
        begin(static_cast<std::size_t>(part.begin)),
        end(static_cast<std::size_t>(part.end)) {}
  std::size_t row;
  std::size_t begin;
  std::size_t end;
};

template <class W>
class LongRows {
  using Totals = LongRowTotals<W>;

 public:
  /// `weight` may be null: `normalise` is then not called.
  LongRows(const GatScalars<W>& scalars, W* weight, const KeptFactors<W>& kept)
      : of_(scalars), weight_(weight), kept_(kept) {}

  /// The largest u.
  void find_maximum(const LongEdges& edges, RowChunk<W>& scratch, Totals& to) const {
    LaneTotals<W> totals;
    totals.set(-std::numeric_limits<W>::infinity());
    scratch.t.fill(of_.t + edges.row * of_.all_heads, of_.group);
    for (std::size_t first = edges.begin; first < edges.end; first += kChunk) {
      const std::size_t count = std::min(kChunk, edges.end - first);
      load(first, count, scratch);
      for_vectors<W>(count * of_.group.stride, [&](auto d, std::size_t k) HWY_ATTR {
        W* total = total_at(totals, k);
        hn::Store(hn::Max(hn::Load(d, total), hn::Load(d, scratch.u.value + k)), d, total);
      });
    }
    totals.reduce(
        of_.group, [](W a, W b) { return std::max(a, b); }, to.maximum);
  }

  /// The largest u becomes that of LeakyReLU(u).
  void activate(Totals& totals) const {
    for (W& u : totals.maximum) u = u > 0 ? u : u * of_.slope;
  }

  /// Leaves signed exp(e - maximum) in the weights.
  void exponentiate(const LongEdges& edges,
                    const W* maximum,
                    RowChunk<W>& scratch,
                    Totals& to) const {
    LaneTotals<W> sums, positives;
    sums.set(0);
    positives.set(0);
    scratch.t.fill(of_.t + edges.row * of_.all_heads, of_.group);
    scratch.largest.fill(maximum, of_.group);
    for (std::size_t first = edges.begin; first < edges.end; first += kChunk) {
      const std::size_t count = std::min(kChunk, edges.end - first);
      load(first, count, scratch);
      const std::size_t values = count * of_.group.stride;
      for_vectors<W>(values, [&](auto d, std::size_t k) HWY_ATTR {
        const auto u = hn::Load(d, scratch.u.value + k);
        const auto above = hn::Gt(u, hn::Zero(d));
        const auto e = hn::IfThenElse(above, u, hn::Mul(u, hn::Set(d, of_.slope)));
        const auto shifted = hn::Sub(e, pattern_at(d, scratch.largest, k));
        const auto w = hn::IfThenElseZero(hn::FirstN(d, values - k), hn::Exp(d, shifted));
        W* s = total_at(sums, k);
        W* p = total_at(positives, k);
        hn::Store(hn::Add(hn::Load(d, s), w), d, s);
        hn::Store(hn::Add(hn::Load(d, p), hn::IfThenElseZero(above, w)), d, p);
        hn::Store(hn::IfThenElse(above, w, hn::Neg(w)), d, scratch.u.value + k);
      });
      if (weight_ != nullptr)
        std::copy_n(scratch.u.value, values, weight_ + first * of_.group.stride);
    }
    const auto add = [](W a, W b) { return a + b; };
    sums.reduce(of_.group, add, to.sum);
    positives.reduce(of_.group, add, to.positive);
  }

  /// Divides by the sum and applies m.
  void normalise(const LongEdges& edges, const W* inverse, RowChunk<W>& scratch) const {
    scratch.inverse.fill(inverse, of_.group);
    for (std::size_t first = edges.begin; first < edges.end; first += kChunk) {
      const std::size_t count = std::min(kChunk, edges.end - first);
      const std::size_t values = count * of_.group.stride;
      W* to = weight_ + first * of_.group.stride;
      std::copy_n(to, values, scratch.u.value);
      if (of_.dropout.active) {
        for (std::size_t e = 0; e < count; ++e)
          kept_.copy(first + e, scratch.factor.value + e * of_.group.stride);
      }
      for_vectors<W>(values, [&](auto d, std::size_t k) HWY_ATTR {
        auto w = hn::Mul(hn::Load(d, scratch.u.value + k), pattern_at(d, scratch.inverse, k));
        if (of_.dropout.active)
          w = hn::Mul(w, hn::Load(d, scratch.factor.value + k));
        hn::Store(w, d, scratch.u.value + k);
      });
      std::copy_n(scratch.u.value, values, to);
    }
  }

 private:
  /// u of a chunk; values past its last edge are -infinity.
  HWY_INLINE void load(std::size_t first, std::size_t count, RowChunk<W>& scratch) const {
    const std::int32_t* src = of_.graph.in.src.data() + first;
    of_.gather(
        count,
        [&](std::size_t e) { return of_.s + static_cast<std::size_t>(src[e]) * of_.all_heads; },
        scratch.u);
    if (of_.edge != nullptr)
      of_.gather(
          count,
          [&](std::size_t e) { return of_.edge + (first + e) * of_.all_heads; },
          scratch.edge);
    const std::size_t values = count * of_.group.stride;
    for_vectors<W>(values, [&](auto d, std::size_t k) HWY_ATTR {
      auto u = hn::Add(hn::Load(d, scratch.u.value + k), pattern_at(d, scratch.t, k));
      if (of_.edge != nullptr)
        u = hn::Add(u, hn::Load(d, scratch.edge.value + k));
      const auto lowest = hn::Set(d, -std::numeric_limits<W>::infinity());
      hn::Store(hn::IfThenElse(hn::FirstN(d, values - k), u, lowest), d, scratch.u.value + k);
    });
  }

  const GatScalars<W>& of_;
  W* weight_;
  const KeptFactors<W>& kept_;
};

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
