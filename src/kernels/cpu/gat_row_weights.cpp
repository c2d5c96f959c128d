// LeakyReLU never falls, so the maximum logit of a row is LeakyReLU(max_j u_ij): no rescaling.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/gat_row_weights.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "kernels/attention_checks.h"
#include "kernels/cpu/gat_long_rows-inl.h"
#include "kernels/cpu/gat_scalars-inl.h"
#include "kernels/cpu/head_values-inl.h"
#include "kernels/cpu/kept_edges-inl.h"
#include "kernels/cpu/out_edges.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

template <class W, std::size_t kStride>
class RowWeights {
 public:
  explicit RowWeights(const GatRowWeights& pass)
      : of_(*pass.in, pass.group),
        weight_(static_cast<W*>(pass.weight)),
        drops_(weight_ != nullptr && of_.dropout.active),
        bits_(pass.kept),
        kept_(pass.in->attention_dropout, bits_, pass.group.first, kStride, edges_of(*pass.in)),
        long_(of_, weight_, kept_),
        logsumexp_(static_cast<W*>(pass.logsumexp)),
        positive_(static_cast<W*>(pass.positive)) {}

  void run(const EdgePieces& pieces) const {
    std::vector<Totals> of_part(pieces.parts());
    pieces.run([&](const EdgePiece& piece) { run_piece(piece, of_part); });
    if (!of_part.empty())
      finish_hubs(pieces, of_part);
  }

 private:
  using Totals = LongRowTotals<W>;
  struct Scratch : RowChunk<W> {
    EdgeChunk<W> weight;
    EdgeChunk<W> maximum, sum, positive;  ///< of the rows of a batch
  };

  void run_piece(const EdgePiece& piece, std::vector<Totals>& of_part) const {
    Scratch scratch;
    if (drops_) {
      const std::int64_t last = piece.items.end - piece.items.begin - 1;
      draw(*piece.begin, piece.end[last]);
    }
    auto i = static_cast<std::size_t>(piece.items.begin);
    if (piece.part != nullptr)
      return long_.find_maximum(LongEdges(*piece.part), scratch, of_part[piece.part->number]);
    const auto end = static_cast<std::size_t>(piece.items.end);
    while (i < end) {
      const std::size_t last = batch_end(i, end);
      if (last == i)
        row(i++, scratch);
      else
        batch(i, last, scratch);
      i = std::max(i, last);
    }
  }

  /// The bits of edges begin .. end-1, which lie side by side for all rows of a piece.
  void draw(std::int64_t begin, std::int64_t end) const {
    for (std::size_t q = 0; q < quads_of(of_.group); ++q)
      find_kept(of_.dropout,
                of_.graph.in.edge_id.data() + begin,
                static_cast<std::size_t>(end - begin),
                of_.group.first / kQuadHeads + q,
                bits_ + q * kept_.quad_bytes + begin);
  }

  /// What follows the maxima, for hubs: each step needs the totals of all parts.
  void finish_hubs(const EdgePieces& pieces, std::vector<Totals>& of_part) const {
    pieces.merge(
        of_part,
        [](Totals& all, const Totals& part) {
          for (std::size_t h = 0; h < kStride; ++h)
            all.maximum[h] = std::max(all.maximum[h], part.maximum[h]);
        },
        [&](std::int64_t, Totals& all) { long_.activate(all); });
    pieces.run_parts([&](const HubPart& part) {
      RowChunk<W> chunk;
      Totals& totals = of_part[part.number];
      long_.exponentiate(LongEdges(part), of_part[part.first].maximum, chunk, totals);
    });
    pieces.merge(
        of_part,
        [](Totals& all, const Totals& part) {
          for (std::size_t h = 0; h < kStride; ++h) {
            all.sum[h] += part.sum[h];
            all.positive[h] += part.positive[h];
          }
        },
        [&](std::int64_t i, Totals& all) { finish(static_cast<std::size_t>(i), all); });
    if (weight_ == nullptr)
      return;
    pieces.run_parts([&](const HubPart& part) {
      RowChunk<W> chunk;
      long_.normalise(LongEdges(part), of_part[part.first].sum, chunk);
    });
  }

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
      std::copy_n(scratch.weight.value, values, weight_ + first * kStride);
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

  /// Sums of a row of a batch; alpha m signed by u > 0.
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
      Heads w = Heads::load(to).times(inverse);
      if (drops_)
        w = w.times(kept_heads<W, kStride>(kept_, e));
      w.where_positive(Heads::load(scratch.u.value + (e - first) * kStride), zero.minus(w))
          .store(to);
    }
  }

  void row(std::size_t i, Scratch& scratch) const {
    const LongEdges edges(i, begin(i), begin(i + 1));
    Totals totals;
    long_.find_maximum(edges, scratch, totals);
    long_.activate(totals);
    long_.exponentiate(edges, totals.maximum, scratch, totals);
    finish(i, totals);
    if (weight_ != nullptr)
      long_.normalise(edges, totals.sum, scratch);
  }

  /// Stores L and A+; `sum` becomes its inverse.
  void finish(std::size_t i, Totals& totals) const {
    for (std::size_t h = 0; h < kStride; ++h) {
      const W inverse = W{1} / totals.sum[h];
      totals.positive[h] *= inverse;
      totals.maximum[h] += std::log(totals.sum[h]);
      totals.sum[h] = inverse;
    }
    store_scalars(i, totals.maximum, totals.positive);
  }

  void store_scalars(std::size_t i, const W* logsumexp, const W* positive) const {
    store_heads(i, logsumexp, logsumexp_);
    store_heads(i, positive, positive_);
  }

  /// Null values are zeros.
  HWY_INLINE void store_heads(std::size_t i, const W* values, W* to) const {
    if (to == nullptr)
      return;
    to += i * of_.all_heads + of_.group.first;
    if (of_.group.count == kStride)
      return (values == nullptr ? Heads::all(0) : Heads::load(values)).store(to);
    for (std::size_t h = 0; h < of_.group.count; ++h) to[h] = values == nullptr ? W{0} : values[h];
  }

  GatScalars<W> of_;
  W* weight_;
  bool drops_;
  std::uint8_t* bits_;
  KeptFactors<W> kept_;
  LongRows<W> long_;
  W* logsumexp_;
  W* positive_;
};

}  // namespace

void gat_row_weights_target(const GatRowWeights& pass) {
  const EdgeLists lists = in_edge_lists(*pass.in);
  pass.in->dtype == KernelType::kFloat64 ? run_stride<double, RowWeights>(pass, lists)
                                         : run_stride<float, RowWeights>(pass, lists);
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
