// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/edge_softmax.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "kernels/cpu/edge_pieces.h"
#include "kernels/cpu/edge_softmax.h"
#include "kernels/cpu/edge_values-inl.h"
#include "kernels/prepared_graph.h"

#include <hwy/contrib/math/math-inl.h>

#include <cmath>
#include <limits>
#include <vector>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

template <class W>
class Softmax {
 public:
  explicit Softmax(const EdgeSoftmax& pass)
      : group_(pass.group),
        heads_(static_cast<std::size_t>(pass.in->logit_heads())),
        scale_(static_cast<W>(pass.scale)),
        terms_(*pass.in, pass.group),
        kept_(pass.in->attention_dropout, pass.kept, pass.group.first, pass.group.stride),
        value_(static_cast<W*>(pass.value)),
        logsumexp_(static_cast<W*>(pass.logsumexp)) {}

  void run(const EdgePieces& pieces) const {
    std::vector<Totals> of_part(pieces.parts());
    pieces.run([&](const EdgePiece& piece) { run_piece(piece, of_part); });
    if (!of_part.empty())
      finish_hubs(pieces, of_part);
  }

 private:
  /// A row of as many vectors stays in registers.
  static constexpr std::size_t kShortVectors = 4;

  /// Of a row, or of a hub's part.
  struct Totals {
    LaneBlock<W> maximum;
    LaneBlock<W> sum;
  };
  struct EdgeRange {
    EdgeRange(std::int64_t first, std::int64_t last)
        : begin(static_cast<std::size_t>(first)), end(static_cast<std::size_t>(last)) {}
    std::size_t begin;
    std::size_t end;
  };

  W* first_value(EdgeRange edges) const { return value_ + edges.begin * group_.stride; }
  std::size_t values(EdgeRange edges) const { return (edges.end - edges.begin) * group_.stride; }

  void run_piece(const EdgePiece& piece, std::vector<Totals>& of_part) const {
    if (piece.part != nullptr)
      return logits(static_cast<std::size_t>(piece.items.begin),
                    {*piece.begin, *piece.end},
                    of_part[piece.part->number].maximum);
    Totals totals;
    for (std::int64_t i = piece.items.begin; i < piece.items.end; ++i) {
      const std::int64_t k = i - piece.items.begin;
      const EdgeRange row(piece.begin[k], piece.end[k]);
      if (!terms_.any() && values(row) <= kShortVectors * BlockVectors<W>::kLanes) {
        short_row(static_cast<std::size_t>(i), row);
        continue;
      }
      logits(static_cast<std::size_t>(i), row, totals.maximum);
      exponentiate(row, totals.maximum, totals.sum);
      store_logsumexp(static_cast<std::size_t>(i), row.begin == row.end, totals);
      normalise(row, totals.sum);
    }
  }

  static constexpr auto larger() {
    return [](auto a, auto b) HWY_ATTR { return hn::Max(a, b); };
  }
  static constexpr auto plus() {
    return [](auto a, auto b) HWY_ATTR { return hn::Add(a, b); };
  }

  // The steps for a vector of which `count` values remain.
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V larger_of(D d, V largest, V e, std::size_t count) {
    return hn::IfThenElse(hn::FirstN(d, count), hn::Max(largest, e), largest);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V exponential(D d, V e, V maximum, std::size_t count) {
    return hn::IfThenElseZero(hn::FirstN(d, count), hn::Exp(d, hn::Sub(e, maximum)));
  }
  /// `at` is the place of the vector's first value in the row; `factor` is filled block by block.
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V weight(D d,
                      V w,
                      V sum,
                      EdgeRange row,
                      std::size_t at,
                      std::size_t count,
                      LaneBlock<W>& factor) const {
    const std::size_t lane = at % kBlockValues<W>;
    if (kept_.active() && lane == 0)
      fill_factors(kept_, row.begin + at / group_.stride, count / group_.stride, factor);
    return hn::Div(hn::Mul(w, hn::Load(d, factor.lane + lane)), sum);
  }

  HWY_INLINE void short_row(std::size_t i, EdgeRange row) const {
    const std::size_t count = values(row);
    constexpr std::size_t kLanes = BlockVectors<W>::kLanes;
    if (count <= kLanes)
      return in_registers<1>(i, row);
    if (count <= 2 * kLanes)
      return in_registers<2>(i, row);
    count <= 3 * kLanes ? in_registers<3>(i, row) : in_registers<kShortVectors>(i, row);
  }

  /// logits, exponentiate and normalise of a row of kVectors vectors: the same operations.
  template <std::size_t kVectors>
  HWY_INLINE void in_registers(std::size_t i, EdgeRange row) const {
    const BlockTag<W> d;
    using V = hn::Vec<BlockTag<W>>;
    constexpr std::size_t kBlock = BlockVectors<W>::kVectors, kLanes = BlockVectors<W>::kLanes;
    W* value = first_value(row);
    const std::size_t count = values(row);
    V x[kVectors];
    BlockVectors<W> maximum, sum;
    maximum.set(-std::numeric_limits<W>::infinity());
    sum.set(0);
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) {
      const std::size_t left = count - v * kLanes;
      x[v] = hn::Mul(load_values(d, value + v * kLanes, left), hn::Set(d, scale_));
      V& largest = maximum.vector[v % kBlock];
      largest = larger_of(d, largest, x[v], left);
    }
    maximum.spread(group_.stride, larger());
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) {
      x[v] = exponential(d, x[v], maximum.vector[v % kBlock], count - v * kLanes);
      sum.vector[v % kBlock] = hn::Add(sum.vector[v % kBlock], x[v]);
    }
    sum.spread(group_.stride, plus());
    Totals totals;
    totals.maximum = maximum;
    totals.sum = sum;
    store_logsumexp(i, count == 0, totals);
    LaneBlock<W> factor;
    factor.set(1);
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) {
      const std::size_t at = v * kLanes;
      const auto share = weight(d, x[v], sum.vector[v % kBlock], row, at, count - at, factor);
      store_values(share, d, value + at, count - at);
    }
  }

  /// What follows the logits, for hubs: each step needs the totals of all parts.
  void finish_hubs(const EdgePieces& pieces, std::vector<Totals>& of_part) const {
    pieces.merge(
        of_part,
        [&](Totals& all, const Totals& part) { all.maximum.combine(part.maximum, larger()); },
        [](std::int64_t, const Totals&) {});
    pieces.run_parts([&](const HubPart& part) {
      exponentiate({part.begin, part.end}, of_part[part.first].maximum, of_part[part.number].sum);
    });
    pieces.merge(
        of_part,
        [&](Totals& all, const Totals& part) { all.sum.combine(part.sum, plus()); },
        [&](std::int64_t i, const Totals& all) {
          store_logsumexp(static_cast<std::size_t>(i), false, all);
        });
    pieces.run_parts([&](const HubPart& part) {
      normalise({part.begin, part.end}, of_part[part.first].sum);
    });
  }

  void logits(std::size_t i, EdgeRange edges, LaneBlock<W>& maximum) const {
    W* value = first_value(edges);
    const std::size_t values = this->values(edges);
    maximum.set(-std::numeric_limits<W>::infinity());
    const auto scaled = [&](auto d, std::size_t at, std::size_t count) HWY_ATTR {
      return hn::Mul(load_values(d, value + at, count), hn::Set(d, scale_));
    };
    if (terms_.any()) {
      for_edge_values<W>(values,
                         [&](auto d, std::size_t at, std::size_t, std::size_t count) HWY_ATTR {
                           store_values(scaled(d, at, count), d, value + at, count);
                         });
      terms_.add(i, edges.begin, edges.end, value);
    }
    const W scale = terms_.any() ? W{1} : scale_;
    for_edge_values<W>(
        values, [&](auto d, std::size_t at, std::size_t lane, std::size_t count) HWY_ATTR {
          const auto e = hn::Mul(load_values(d, value + at, count), hn::Set(d, scale));
          store_values(e, d, value + at, count);
          const auto largest = hn::Load(d, maximum.lane + lane);
          hn::Store(larger_of(d, largest, e, count), d, maximum.lane + lane);
        });
    maximum.spread(group_.stride, larger());
  }

  void exponentiate(EdgeRange edges, const LaneBlock<W>& maximum, LaneBlock<W>& sum) const {
    W* value = first_value(edges);
    sum.set(0);
    for_edge_values<W>(
        values(edges), [&](auto d, std::size_t at, std::size_t lane, std::size_t count) HWY_ATTR {
          const auto w = exponential(
              d, load_values(d, value + at, count), hn::Load(d, maximum.lane + lane), count);
          store_values(w, d, value + at, count);
          hn::Store(hn::Add(hn::Load(d, sum.lane + lane), w), d, sum.lane + lane);
        });
    sum.spread(group_.stride, plus());
  }

  void store_logsumexp(std::size_t i, bool empty, const Totals& totals) const {
    if (logsumexp_ == nullptr)
      return;
    for (std::size_t h = 0; h < group_.count; ++h)
      logsumexp_[i * heads_ + group_.first + h] =
          empty ? W{0} : totals.maximum.lane[h] + std::log(totals.sum.lane[h]);
  }

  void normalise(EdgeRange edges, const LaneBlock<W>& sum) const {
    W* value = first_value(edges);
    LaneBlock<W> factor;
    factor.set(1);
    for_edge_values<W>(
        values(edges), [&](auto d, std::size_t at, std::size_t lane, std::size_t count) HWY_ATTR {
          const auto w = load_values(d, value + at, count);
          const auto total = hn::Load(d, sum.lane + lane);
          store_values(weight(d, w, total, edges, at, count, factor), d, value + at, count);
        });
  }

  HeadGroup group_;
  std::size_t heads_;
  W scale_;
  RowTerms<W> terms_;
  KeptFactors<W> kept_;
  W* value_;
  W* logsumexp_;
};

template <class W>
class Gradients {
 public:
  explicit Gradients(const EdgeGradients& pass)
      : args_(*pass.args),
        group_(pass.group),
        logit_heads_(static_cast<std::size_t>(args_.in.logit_heads())),
        shared_(static_cast<std::size_t>(args_.in.heads) / logit_heads_),
        scale_(static_cast<W>(pass.scale)),
        terms_(args_.in, pass.group),
        kept_(args_.in.attention_dropout, pass.kept, pass.group.first, pass.group.stride),
        delta_(static_cast<const W*>(pass.delta)),
        value_(static_cast<W*>(pass.value)),
        product_(static_cast<W*>(pass.product)) {}

  void run(const EdgePieces& pieces) const {
    if (terms_.query_values() > 0)
      return run_with_query(pieces);
    for_edges(pieces, [&](std::int64_t i, std::int64_t begin, std::int64_t end) {
      edges(static_cast<std::size_t>(i),
            static_cast<std::size_t>(begin),
            static_cast<std::size_t>(end),
            nullptr);
    });
  }

 private:
  /// With sums over each row's edges.
  void run_with_query(const EdgePieces& pieces) const {
    sum_edges<W>(
        pieces,
        terms_.query_values(),
        [&](std::int64_t i, std::int64_t begin, std::int64_t end, W* query_sums) {
          edges(static_cast<std::size_t>(i),
                static_cast<std::size_t>(begin),
                static_cast<std::size_t>(end),
                query_sums);
        },
        [&](std::int64_t i, const W* query_sums) {
          terms_.store_query(
              static_cast<std::size_t>(i), query_sums, static_cast<W*>(args_.grad_edge_query));
        });
  }

  void edges(std::size_t i, std::size_t begin, std::size_t end, W* query_sums) const {
    W* value = value_ + begin * group_.stride;
    W* product = product_ + begin * group_.stride;
    const std::size_t values = (end - begin) * group_.stride;
    W scale = scale_;
    if (terms_.any()) {
      multiply(value, values, scale_);
      terms_.add(i, begin, end, value);
      scale = 1;
    }
    weigh(i, begin, value, product, values, scale);
    if (!terms_.any())
      return;
    terms_.store(begin, end, product, static_cast<W*>(args_.grad_edge_logit), query_sums);
    multiply(product, values, scale_);
  }

  static void multiply(W* value, std::size_t values, W factor) {
    for_edge_values<W>(
        values, [&](auto d, std::size_t at, std::size_t, std::size_t count) HWY_ATTR {
          store_values(
              hn::Mul(load_values(d, value + at, count), hn::Set(d, factor)), d, value + at, count);
        });
  }

  /// L and Delta of the row, in the lanes of the group's heads.
  void row_scalars(std::size_t i, LaneBlock<W>& logsumexp, LaneBlock<W>& delta) const {
    const auto* l = static_cast<const W*>(args_.logsumexp) + i * logit_heads_ + group_.first;
    const auto* through = static_cast<const W*>(args_.grad_logsumexp);
    W of_head[kGroupHeads];
    for (std::size_t h = 0; h < group_.count; ++h) {
      const std::size_t s = i * logit_heads_ + group_.first + h;
      of_head[h] = 0;
      for (std::size_t k = 0; k < shared_; ++k) of_head[h] += delta_[s * shared_ + k];
      if (through != nullptr)
        of_head[h] -= through[s];
    }
    logsumexp.set_heads(l, group_);
    delta.set_heads(of_head, group_);
  }

  void weigh(
      std::size_t i, std::size_t begin, W* value, W* product, std::size_t values, W scale) const {
    LaneBlock<W> logsumexp;
    LaneBlock<W> delta;
    LaneBlock<W> factor;
    row_scalars(i, logsumexp, delta);
    factor.set(1);
    for_edge_values<W>(
        values, [&](auto d, std::size_t at, std::size_t lane, std::size_t count) HWY_ATTR {
          if (kept_.active() && lane == 0)
            fill_factors(kept_, begin + at / group_.stride, count / group_.stride, factor);
          const auto e = hn::Mul(load_values(d, value + at, count), hn::Set(d, scale));
          const auto alpha = hn::Exp(d, hn::Sub(e, hn::Load(d, logsumexp.lane + lane)));
          const auto weight = hn::Mul(alpha, hn::Load(d, factor.lane + lane));
          const auto gradient = hn::MulSub(weight,
                                           load_values(d, product + at, count),
                                           hn::Mul(alpha, hn::Load(d, delta.lane + lane)));
          store_values(weight, d, value + at, count);
          store_values(hn::Mul(gradient, hn::Set(d, scale)), d, product + at, count);
        });
  }

  const AttentionBackwardArgs& args_;
  HeadGroup group_;
  std::size_t logit_heads_;
  std::size_t shared_;  ///< heads of messages for each of the logits
  W scale_;
  RowTerms<W> terms_;
  KeptFactors<W> kept_;
  const W* delta_;
  W* value_;
  W* product_;
};

/// Calls body(W{}) with the working type.
template <class Body>
void with_working(KernelType type, const Body& body) {
  type == KernelType::kFloat64 ? body(double{}) : body(float{});
}

}  // namespace

void edge_softmax_target(const EdgeSoftmax& pass) {
  with_working(pass.in->dtype, [&]<class W>(W) { Softmax<W>(pass).run(EdgePieces(pass.edges)); });
}

void edge_gradients_target(const EdgeGradients& pass) {
  with_working(pass.args->in.dtype,
               [&]<class W>(W) { Gradients<W>(pass).run(EdgePieces(pass.edges)); });
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(edge_softmax_target);
HWY_EXPORT(edge_gradients_target);

void edge_softmax(const EdgeSoftmax& pass) {
  HWY_DYNAMIC_DISPATCH(edge_softmax_target)(pass);
}

void edge_gradients(const EdgeGradients& pass) {
  HWY_DYNAMIC_DISPATCH(edge_gradients_target)(pass);
}

}  // namespace regatta::cpu
#endif
