// LeakyReLU never falls, so the maximum logit of a row is LeakyReLU(max_j u_ij): no rescaling.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/gat_row_weights.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "kernels/cpu/gat_scalars-inl.h"
#include "kernels/cpu/head_values-inl.h"

#include <algorithm>
#include <cmath>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

template <class W, std::size_t kStride>
class RowWeights {
 public:
  explicit RowWeights(const GatRowWeights& pass)
      : of_(*pass.in, pass.group),
        weight_(static_cast<W*>(pass.weight)),
        logsumexp_(static_cast<W*>(pass.logsumexp)),
        positive_(static_cast<W*>(pass.positive)) {}

  void run(RowRange rows) const {
    Scratch scratch;
    const auto end = static_cast<std::size_t>(rows.end);
    for (auto i = static_cast<std::size_t>(rows.begin); i < end;) {
      const std::size_t last = batch_end(i, end);
      if (last == i)
        row(i++, scratch);
      else
        batch(i, last, scratch);
      i = std::max(i, last);
    }
  }

 private:
  struct Scratch {
    EdgeChunk<W> u;
    EdgeChunk<W> edge;
    EdgeChunk<W> factor;
    EdgeChunk<W> weight;
    EdgeChunk<W> maximum, sum, positive;  ///< of the rows of a batch
    Counters counters;
    HeadPattern<W> t, largest, inverse;
  };

  std::size_t begin(std::size_t i) const {
    return static_cast<std::size_t>(of_.graph.in.indptr[i]);
  }

  /// Rows i .. batch_end-1 hold at most kChunk edges together; i itself where one row holds more.
  std::size_t batch_end(std::size_t i, std::size_t end) const {
    const std::size_t most = std::min(end, i + kChunk);
    std::size_t last = i;
    while (last < most && begin(last + 1) - begin(i) <= kChunk) ++last;
    return last;
  }

  /// Short rows together: exponentials and logarithms then fill vectors. Sums run along a row's
  /// edges, so a row's bits do not depend on its neighbours.
  void batch(std::size_t i, std::size_t last, Scratch& scratch) const {
    const std::size_t first = begin(i);
    const std::size_t values = (begin(last) - first) * kStride;
    for (std::size_t r = i; r < last; ++r) shift_row(r, first, (r - i) * kStride, scratch);
    for_vectors<W>(values, [&](auto d, std::size_t k) HWY_ATTR {
      hn::Store(hn::Exp(d, hn::Load(d, scratch.weight.value + k)), d, scratch.weight.value + k);
    });
    for (std::size_t r = i; r < last; ++r) normalise_row(r, first, (r - i) * kStride, scratch);
    for_vectors<W>((last - i) * kStride, [&](auto d, std::size_t k) HWY_ATTR {
      const auto l = hn::Add(hn::Load(d, scratch.maximum.value + k),
                             hn::Log(d, hn::Load(d, scratch.sum.value + k)));
      hn::Store(l, d, scratch.maximum.value + k);
    });
    for (std::size_t r = i; r < last; ++r) {
      const bool empty = begin(r) == begin(r + 1);
      store_scalars(r,
                    empty ? nullptr : scratch.maximum.value + (r - i) * kStride,
                    scratch.positive.value + (r - i) * kStride);
    }
    if (weight_ != nullptr)
      store_batch(first, values, scratch);
  }

  using Heads = HeadValues<W, kStride>;

  /// u, and LeakyReLU(u) less its maximum, of one row of a batch.
  HWY_INLINE void shift_row(std::size_t r,
                            std::size_t first,
                            std::size_t at,
                            Scratch& scratch) const {
    const Heads t = load_heads<W, kStride>(of_.t + r * of_.all_heads, of_.group.count);
    const Heads slope = Heads::all(of_.slope);
    Heads maximum = Heads::all(-std::numeric_limits<W>::infinity());
    for (std::size_t e = begin(r); e < begin(r + 1); ++e) {
      Heads u = load_edge(e).plus(t);
      maximum = maximum.larger(u);
      u.store(scratch.u.value + (e - first) * kStride);
    }
    maximum = maximum.where_positive(maximum, maximum.times(slope));
    maximum.store(scratch.maximum.value + at);
    for (std::size_t e = begin(r); e < begin(r + 1); ++e) {
      const Heads u = Heads::load(scratch.u.value + (e - first) * kStride);
      u.where_positive(u, u.times(slope))
          .minus(maximum)
          .store(scratch.weight.value + (e - first) * kStride);
    }
  }

  /// s_j (+ the edge's term) of the group's heads.
  HWY_INLINE Heads load_edge(std::size_t e) const {
    const Heads s = load_heads<W, kStride>(
        of_.s + static_cast<std::size_t>(of_.graph.in.src[e]) * of_.all_heads, of_.group.count);
    if (of_.edge == nullptr)
      return s;
    return s.plus(load_heads<W, kStride>(of_.edge + e * of_.all_heads, of_.group.count));
  }

  /// Sums of a row of a batch; alpha signed by u > 0.
  HWY_INLINE void normalise_row(std::size_t r,
                                std::size_t first,
                                std::size_t at,
                                Scratch& scratch) const {
    const Heads zero = Heads::all(0);
    Heads sum = zero;
    Heads positive = zero;
    for (std::size_t e = begin(r); e < begin(r + 1); ++e) {
      const Heads w = Heads::load(scratch.weight.value + (e - first) * kStride);
      sum = sum.plus(w);
      positive = positive.plus(
          w.where_positive(Heads::load(scratch.u.value + (e - first) * kStride), zero));
    }
    if (begin(r) == begin(r + 1))
      sum = Heads::all(1);
    const Heads inverse = Heads::all(1).over(sum);
    sum.store(scratch.sum.value + at);
    positive.times(inverse).store(scratch.positive.value + at);
    for (std::size_t e = begin(r); e < begin(r + 1); ++e) {
      W* to = scratch.weight.value + (e - first) * kStride;
      const Heads w = Heads::load(to).times(inverse);
      w.where_positive(Heads::load(scratch.u.value + (e - first) * kStride), zero.minus(w))
          .store(to);
    }
  }

  void store_batch(std::size_t first, std::size_t values, Scratch& scratch) const {
    if (of_.dropout.active && values > 0) {
      for (std::size_t e = 0; e < values / kStride; ++e)
        scratch.counters.id[e] = static_cast<std::uint64_t>(of_.graph.in.edge_id[first + e]);
      chunk_factors(of_.dropout, of_.group, values / kStride, scratch.counters, scratch.factor);
      for_vectors<W>(values, [&](auto d, std::size_t k) HWY_ATTR {
        hn::Store(
            hn::Mul(hn::Load(d, scratch.weight.value + k), hn::Load(d, scratch.factor.value + k)),
            d,
            scratch.weight.value + k);
      });
    }
    std::copy_n(scratch.weight.value, values, weight_ + first * kStride);
  }

  void row(std::size_t i, Scratch& scratch) const {
    const auto begin = static_cast<std::size_t>(of_.graph.in.indptr[i]);
    const auto end = static_cast<std::size_t>(of_.graph.in.indptr[i + 1]);
    scratch.t.fill(of_.t + i * of_.all_heads, of_.group);
    find_maximum(begin, end, scratch);
    W sum[kGroupHeads] = {}, positive[kGroupHeads] = {};
    exponentiate(begin, end, scratch, sum, positive);
    for (std::size_t h = 0; h < of_.group.stride; ++h) {
      const W inverse = W{1} / sum[h];
      positive[h] *= inverse;
      const W logsumexp = scratch.largest.value[h] + std::log(sum[h]);
      sum[h] = inverse;
      scratch.largest.value[h] = logsumexp;
    }
    store_scalars(i, scratch.largest.value, positive);
    if (weight_ == nullptr)
      return;
    scratch.inverse.fill(sum, of_.group);
    normalise(begin, end, scratch);
  }

  void store_scalars(std::size_t i, const W* logsumexp, const W* positive) const {
    for (std::size_t h = 0; h < of_.group.count; ++h) {
      const std::size_t at = i * of_.all_heads + of_.group.first + h;
      if (logsumexp_ != nullptr)
        logsumexp_[at] = logsumexp == nullptr ? W{0} : logsumexp[h];
      if (positive_ != nullptr)
        positive_[at] = positive == nullptr ? W{0} : positive[h];
    }
  }

  /// u of a chunk; values past its last edge are -infinity.
  HWY_INLINE void load(std::size_t first, std::size_t count, Scratch& scratch) const {
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

  void find_maximum(std::size_t begin, std::size_t end, Scratch& scratch) const {
    LaneTotals<W> totals;
    totals.set(-std::numeric_limits<W>::infinity());
    for (std::size_t first = begin; first < end; first += kChunk) {
      const std::size_t count = std::min(kChunk, end - first);
      load(first, count, scratch);
      for_vectors<W>(count * of_.group.stride, [&](auto d, std::size_t k) HWY_ATTR {
        W* total = total_at(totals, k);
        hn::Store(hn::Max(hn::Load(d, total), hn::Load(d, scratch.u.value + k)), d, total);
      });
    }
    W maximum[kGroupHeads] = {};
    totals.reduce(
        of_.group, [](W a, W b) { return std::max(a, b); }, maximum);
    for (std::size_t h = 0; h < of_.group.stride; ++h)
      maximum[h] = maximum[h] > 0 ? maximum[h] : maximum[h] * of_.slope;
    scratch.largest.fill(maximum, of_.group);
  }

  /// Leaves signed exp(e - maximum) in the chunk (one chunk) or in the weights (several).
  void exponentiate(
      std::size_t begin, std::size_t end, Scratch& scratch, W* sum, W* positive) const {
    LaneTotals<W> sums, positives;
    sums.set(0);
    positives.set(0);
    for (std::size_t first = begin; first < end; first += kChunk) {
      const std::size_t count = std::min(kChunk, end - first);
      if (end - begin > kChunk)
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
      if (end - begin > kChunk && weight_ != nullptr)
        std::copy_n(scratch.u.value, values, weight_ + first * of_.group.stride);
    }
    const auto add = [](W a, W b) { return a + b; };
    sums.reduce(of_.group, add, sum);
    positives.reduce(of_.group, add, positive);
  }

  /// Divides by the sum and applies m.
  void normalise(std::size_t begin, std::size_t end, Scratch& scratch) const {
    for (std::size_t first = begin; first < end; first += kChunk) {
      const std::size_t count = std::min(kChunk, end - first);
      const std::size_t values = count * of_.group.stride;
      W* to = weight_ + first * of_.group.stride;
      if (end - begin > kChunk)
        std::copy_n(to, values, scratch.u.value);
      if (of_.dropout.active) {
        for (std::size_t e = 0; e < count; ++e)
          scratch.counters.id[e] = static_cast<std::uint64_t>(of_.graph.in.edge_id[first + e]);
        chunk_factors(of_.dropout, of_.group, count, scratch.counters, scratch.factor);
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

  GatScalars<W> of_;
  W* weight_;
  W* logsumexp_;
  W* positive_;
};

}  // namespace

void gat_row_weights_target(const GatRowWeights& pass) {
  const std::int64_t* ptr = pass.in->graph->in.indptr.data();
  pass.in->dtype == KernelType::kFloat64 ? run_stride<double, RowWeights>(pass, ptr, pass.in->rows)
                                         : run_stride<float, RowWeights>(pass, ptr, pass.in->rows);
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(gat_row_weights_target);

void gat_row_weights(const GatRowWeights& pass) {
  HWY_DYNAMIC_DISPATCH(gat_row_weights_target)(pass);
}

}  // namespace regatta::cpu
#endif
