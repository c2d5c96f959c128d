// LeakyReLU never falls, so the maximum logit of a row is LeakyReLU(max_j u_ij): no rescaling.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/gat_weights.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "core/parallel.h"
#include "kernels/cpu/edge_chunks-inl.h"
#include "kernels/cpu/gat_weights.h"
#include "kernels/cpu/row_pieces.h"
#include "kernels/prepared_graph.h"

#include <cmath>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

/// Inputs that both passes read.
template <class W>
struct GatScalars {
  explicit GatScalars(const AttentionInputs& inputs, const HeadGroup& heads)
      : in(inputs),
        graph(*inputs.graph),
        group(heads),
        all_heads(static_cast<std::size_t>(inputs.heads)),
        s(static_cast<const W*>(inputs.source_logit) + heads.first),
        t(static_cast<const W*>(inputs.destination_logit) + heads.first),
        edge(inputs.edge.logit == nullptr ? nullptr
                                          : static_cast<const W*>(inputs.edge.logit) + heads.first),
        slope(static_cast<W>(inputs.negative_slope)),
        dropout(inputs.attention_dropout) {}

  /// Copies `count` edges' values of the group; value(e) gives the first head's place.
  template <class ValueOf>
  HWY_INLINE void gather(std::size_t count, const ValueOf& value_of, EdgeChunk<W>& to) const {
    if (group.count == kGroupHeads) {
      for (std::size_t e = 0; e < count; ++e)
        std::copy_n(value_of(e), kGroupHeads, to.value + e * kGroupHeads);
      return;
    }
    for (std::size_t e = 0; e < count; ++e) {
      const W* from = value_of(e);
      for (std::size_t h = 0; h < group.stride; ++h)
        to.value[e * group.stride + h] = h < group.count ? from[h] : W{0};
    }
  }

  const AttentionInputs& in;
  const PreparedGraph& graph;
  HeadGroup group;
  std::size_t all_heads;
  const W* s;
  const W* t;
  const W* edge;
  W slope;
  DropoutPlan<W> dropout;
};

template <class W>
class RowWeights {
 public:
  explicit RowWeights(const GatRowWeights& pass)
      : of_(*pass.in, pass.group),
        weight_(static_cast<W*>(pass.weight)),
        logsumexp_(static_cast<W*>(pass.logsumexp)),
        positive_(static_cast<W*>(pass.positive)) {}

  void run(RowRange rows) const {
    Scratch scratch;
    for (std::int64_t i = rows.begin; i < rows.end; ++i) row(static_cast<std::size_t>(i), scratch);
  }

 private:
  struct Scratch {
    EdgeChunk<W> u;
    EdgeChunk<W> edge;
    EdgeChunk<W> factor;
    Counters counters;
    HeadPattern<W> t, maximum, inverse;
  };

  void row(std::size_t i, Scratch& scratch) const {
    const auto begin = static_cast<std::size_t>(of_.graph.in.indptr[i]);
    const auto end = static_cast<std::size_t>(of_.graph.in.indptr[i + 1]);
    if (begin == end)
      return store_scalars(i, nullptr, nullptr);
    scratch.t.fill(of_.t + i * of_.all_heads, of_.group);
    find_maximum(begin, end, scratch);
    W sum[kGroupHeads], positive[kGroupHeads];
    exponentiate(begin, end, scratch, sum, positive);
    for (std::size_t h = 0; h < of_.group.stride; ++h) {
      const W inverse = W{1} / sum[h];
      positive[h] *= inverse;
      const W logsumexp = scratch.maximum.value[h] + std::log(sum[h]);
      sum[h] = inverse;
      scratch.maximum.value[h] = logsumexp;
    }
    store_scalars(i, scratch.maximum.value, positive);
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
    W maximum[kGroupHeads];
    totals.reduce(
        of_.group, [](W a, W b) { return std::max(a, b); }, maximum);
    for (std::size_t h = 0; h < of_.group.stride; ++h)
      maximum[h] = maximum[h] > 0 ? maximum[h] : maximum[h] * of_.slope;
    scratch.maximum.fill(maximum, of_.group);
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
        const auto shifted = hn::Sub(e, pattern_at(d, scratch.maximum, k));
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

template <class W>
class SourceWeights {
 public:
  explicit SourceWeights(const GatSourceWeights& pass)
      : of_(*pass.in, pass.group),
        record_(static_cast<const W*>(pass.record)),
        end_(pass.end),
        weight_(static_cast<W*>(pass.weight)),
        gradient_(static_cast<W*>(pass.source_gradient)) {}

  void run(RowRange sources) const {
    Scratch scratch;
    for (std::int64_t j = sources.begin; j < sources.end; ++j)
      source(static_cast<std::size_t>(j), scratch);
  }

 private:
  struct Scratch {
    EdgeChunk<W> u, logsumexp, delta, edge, factor;
    Counters counters;
    HeadPattern<W> s;
  };

  void source(std::size_t j, Scratch& scratch) const {
    LaneTotals<W> totals;
    totals.set(0);
    scratch.s.fill(of_.s + j * of_.all_heads, of_.group);
    const auto end = static_cast<std::size_t>(end_[j]);
    for (auto first = static_cast<std::size_t>(of_.graph.out_ptr[j]); first < end;
         first += kChunk) {
      const std::size_t count = std::min(kChunk, end - first);
      load(first, count, scratch);
      weigh(count, scratch, totals);
      std::copy_n(scratch.u.value, count * of_.group.stride, weight_ + first * of_.group.stride);
    }
    W sum[kGroupHeads];
    totals.reduce(
        of_.group, [](W a, W b) { return a + b; }, sum);
    for (std::size_t h = 0; h < of_.group.count; ++h)
      gradient_[j * of_.all_heads + of_.group.first + h] = -sum[h];
  }

  HWY_INLINE void load(std::size_t first, std::size_t count, Scratch& scratch) const {
    const std::int32_t* dst = of_.graph.out_dst.data() + first;
    const std::size_t stride = of_.group.stride;
    for (std::size_t e = 0; e < count; ++e) {
      const W* from = record_ + static_cast<std::size_t>(dst[e]) * 3 * stride;
      std::copy_n(from, stride, scratch.u.value + e * stride);
      std::copy_n(from + stride, stride, scratch.logsumexp.value + e * stride);
      std::copy_n(from + 2 * stride, stride, scratch.delta.value + e * stride);
    }
    const std::int64_t* edge = of_.graph.out_edge.data() + first;
    if (of_.edge != nullptr)
      of_.gather(
          count,
          [&](std::size_t e) {
            return of_.edge + static_cast<std::size_t>(edge[e]) * of_.all_heads;
          },
          scratch.edge);
    if (!of_.dropout.active)
      return;
    for (std::size_t e = 0; e < count; ++e)
      scratch.counters.id[e] =
          static_cast<std::uint64_t>(of_.graph.in.edge_id[static_cast<std::size_t>(edge[e])]);
    chunk_factors(of_.dropout, of_.group, count, scratch.counters, scratch.factor);
  }

  HWY_INLINE void weigh(std::size_t count, Scratch& scratch, LaneTotals<W>& totals) const {
    const std::size_t values = count * of_.group.stride;
    for_vectors<W>(values, [&](auto d, std::size_t k) HWY_ATTR {
      auto u = hn::Add(hn::Load(d, scratch.u.value + k), pattern_at(d, scratch.s, k));
      if (of_.edge != nullptr)
        u = hn::Add(u, hn::Load(d, scratch.edge.value + k));
      const auto above = hn::Gt(u, hn::Zero(d));
      const auto slope = hn::IfThenElse(above, hn::Set(d, W{1}), hn::Set(d, of_.slope));
      const auto alpha =
          hn::Exp(d, hn::Sub(hn::Mul(u, slope), hn::Load(d, scratch.logsumexp.value + k)));
      const auto term = hn::Mul(hn::Mul(alpha, slope), hn::Load(d, scratch.delta.value + k));
      W* total = total_at(totals, k);
      hn::Store(hn::Add(hn::Load(d, total), hn::IfThenElseZero(hn::FirstN(d, values - k), term)),
                d,
                total);
      auto w = alpha;
      if (of_.dropout.active)
        w = hn::Mul(w, hn::Load(d, scratch.factor.value + k));
      hn::Store(hn::IfThenElse(above, w, hn::Neg(w)), d, scratch.u.value + k);
    });
  }

  GatScalars<W> of_;
  const W* record_;
  const std::int64_t* end_;
  W* weight_;
  W* gradient_;
};

template <class Pass, class Arguments>
void run_pieces(const Arguments& arguments, const std::int64_t* ptr, std::int64_t items) {
  const Pass pass(arguments);
  const RowPieces pieces(ptr, items);
  parallel_pieces(pieces.count(), [&](std::int64_t p) { pass.run(pieces.piece(p)); });
}

}  // namespace

void gat_row_weights_target(const GatRowWeights& pass) {
  const std::int64_t* ptr = pass.in->graph->in.indptr.data();
  pass.in->dtype == KernelType::kFloat64 ? run_pieces<RowWeights<double>>(pass, ptr, pass.in->rows)
                                         : run_pieces<RowWeights<float>>(pass, ptr, pass.in->rows);
}

void gat_source_weights_target(const GatSourceWeights& pass) {
  const std::int64_t* ptr = pass.in->graph->out_ptr.data();
  pass.in->dtype == KernelType::kFloat64
      ? run_pieces<SourceWeights<double>>(pass, ptr, pass.in->nodes)
      : run_pieces<SourceWeights<float>>(pass, ptr, pass.in->nodes);
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(gat_row_weights_target);
HWY_EXPORT(gat_source_weights_target);

void gat_row_weights(const GatRowWeights& pass) {
  HWY_DYNAMIC_DISPATCH(gat_row_weights_target)(pass);
}

void gat_source_weights(const GatSourceWeights& pass) {
  HWY_DYNAMIC_DISPATCH(gat_source_weights_target)(pass);
}

}  // namespace regatta::cpu
#endif
