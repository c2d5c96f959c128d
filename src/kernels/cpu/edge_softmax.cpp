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
#include "kernels/cpu/short_rows-inl.h"
#include "kernels/prepared_graph.h"
#include "kernels/storage_types.h"

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
        short_(pass.group.stride, static_cast<W>(pass.scale), kept_),
        value_(static_cast<W*>(pass.value)),
        logsumexp_(static_cast<W*>(pass.logsumexp)) {}

  void run(const EdgePieces& pieces) const {
    std::vector<Totals> of_part(pieces.parts());
    pieces.run([&](const EdgePiece& piece) { run_piece(piece, of_part); });
    if (!of_part.empty())
      finish_hubs(pieces, of_part);
  }

  void run_items(const EdgePiece& piece) const {
    Totals totals;
    const std::int64_t rows = piece.items.end - piece.items.begin;
    for (std::int64_t k = 0; k < rows;) {
      const std::int64_t last = end_of_short_rows(piece, k, rows);
      if (last > k) {
        short_.run(piece.begin + k,
                   piece.end + k,
                   static_cast<std::size_t>(last - k),
                   value_,
                   [&](std::size_t at, const W* logsumexp) {
                     store_logsumexp(static_cast<std::size_t>(piece.items.begin + k) + at,
                                     logsumexp);
                   });
        k = last;
        continue;
      }
      long_row(
          static_cast<std::size_t>(piece.items.begin + k), {piece.begin[k], piece.end[k]}, totals);
      ++k;
    }
  }

 private:
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
    run_items(piece);
  }

  /// Past the last of the rows from k on that go together; k where row k is long.
  std::int64_t end_of_short_rows(const EdgePiece& piece, std::int64_t k, std::int64_t rows) const {
    const std::int64_t most = std::min(rows, k + static_cast<std::int64_t>(ShortRows<W>::kRows));
    while (k < most && !terms_.any() && short_.takes(piece.end[k] - piece.begin[k])) ++k;
    return k;
  }

  void long_row(std::size_t i, EdgeRange row, Totals& totals) const {
    logits(i, row, totals.maximum);
    exponentiate(row, totals.maximum, totals.sum);
    store_logsumexp(i, row.begin == row.end, totals);
    normalise(row, totals.sum);
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
    W logsumexp[kGroupHeads];
    for (std::size_t h = 0; h < group_.count; ++h)
      logsumexp[h] = empty ? W{0} : totals.maximum.lane[h] + std::log(totals.sum.lane[h]);
    store_logsumexp(i, logsumexp);
  }

  void store_logsumexp(std::size_t i, const W* of_head) const {
    if (logsumexp_ == nullptr)
      return;
    W* to = logsumexp_ + i * heads_ + group_.first;
    for (std::size_t h = 0; h < group_.count; ++h) to[h] = of_head[h];
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
  ShortRows<W> short_;
  W* value_;
  W* logsumexp_;
};

}  // namespace

std::unique_ptr<EdgePass> edge_softmax_target(const EdgeSoftmax& pass) {
  std::unique_ptr<EdgePass> made;
  with_working(pass.in->dtype, [&]<class W>(W) {
    made = std::make_unique<EdgePassOf<EdgeSoftmax, Softmax<W>>>(pass);
  });
  return made;
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(edge_softmax_target);

std::unique_ptr<EdgePass> edge_softmax_pass(const EdgeSoftmax& pass) {
  return HWY_DYNAMIC_DISPATCH(edge_softmax_target)(pass);
}

}  // namespace regatta::cpu
#endif
