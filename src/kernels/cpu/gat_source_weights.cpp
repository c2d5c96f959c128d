// gat's weights again, in the order of out-edges, from a record of each destination.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/gat_source_weights.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "kernels/attention_checks.h"
#include "kernels/cpu/gat_scalars-inl.h"
#include "kernels/cpu/head_values-inl.h"

#include <algorithm>
#include <array>
#include <vector>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

template <class W, std::size_t kStride>
class SourceWeights {
 public:
  explicit SourceWeights(const GatSourceWeights& pass)
      : of_(*pass.in, pass.group),
        record_(static_cast<const W*>(pass.record)),
        end_(pass.end),
        kept_(pass.in->attention_dropout, pass.kept, pass.group.first, kStride, edges_of(*pass.in)),
        weight_(static_cast<W*>(pass.weight)),
        gradient_(static_cast<W*>(pass.source_gradient)) {}

  void run(const EdgePieces& pieces) const {
    pieces.run_merged<Sums>(
        [&](const EdgePiece& piece, std::vector<Sums>& of_part) { run_piece(piece, of_part); },
        [](Sums& total, const Sums& sums) {
          for (std::size_t h = 0; h < kStride; ++h) total[h] += sums[h];
        },
        [&](std::int64_t j, const Sums& total) {
          store_sum(static_cast<std::size_t>(j), total.data());
        });
  }

 private:
  using Sums = std::array<double, kStride>;

  struct Scratch {
    EdgeChunk<W> u, logsumexp, delta, factor;
    std::size_t edge[kChunk];  ///< place of each edge of the chunk in the list of out-edges
  };

  void run_piece(const EdgePiece& piece, std::vector<Sums>& of_part) const {
    Scratch scratch;
    auto j = static_cast<std::size_t>(piece.items.begin);
    if (piece.part != nullptr)
      return list(j,
                  static_cast<std::size_t>(*piece.begin),
                  static_cast<std::size_t>(*piece.end),
                  scratch,
                  of_part[piece.part->number].data());
    const auto end = static_cast<std::size_t>(piece.items.end);
    while (j < end) j = batch(j, end, scratch);
  }

  /// Sources from j on that hold at most kChunk edges together, or j alone in chunks; returns the
  /// next one.
  std::size_t batch(std::size_t j, std::size_t end, Scratch& scratch) const {
    if (length(j) > kChunk) {
      double sum[kStride] = {};
      list(j, begin(j), begin(j) + length(j), scratch, sum);
      store_sum(j, sum);
      return j + 1;
    }
    std::size_t count = 0;
    std::size_t last = j;
    for (; last < end && count + length(last) <= kChunk && last < j + kChunk; ++last)
      for (std::size_t e = 0; e < length(last); ++e)
        load_edge(last, begin(last) + e, count++, scratch);
    weigh(count, scratch);
    count = 0;
    for (; j < last; ++j) {
      double sum[kStride] = {};
      count = add_terms(count, length(j), scratch, sum);
      store_sum(j, sum);
    }
    return last;
  }

  /// Edges first .. end-1 of one source, in chunks.
  void list(
      std::size_t j, std::size_t first, std::size_t end, Scratch& scratch, double* sum) const {
    for (; first < end; first += kChunk) {
      const std::size_t count = std::min(kChunk, end - first);
      for (std::size_t e = 0; e < count; ++e) load_edge(j, first + e, e, scratch);
      weigh(count, scratch);
      add_terms(0, count, scratch, sum);
    }
  }

  std::size_t begin(std::size_t j) const { return static_cast<std::size_t>(of_.graph.out_ptr[j]); }
  std::size_t length(std::size_t j) const { return static_cast<std::size_t>(end_[j]) - begin(j); }

  void store_sum(std::size_t j, const double* sum) const {
    for (std::size_t h = 0; h < std::min(kStride, of_.group.count); ++h)
      gradient_[j * of_.all_heads + of_.group.first + h] = static_cast<W>(-sum[h]);
  }

  using Heads = HeadValues<W, kStride>;

  /// u, L and Delta of one edge, place k of the chunk.
  HWY_INLINE void load_edge(std::size_t j, std::size_t out, std::size_t k, Scratch& scratch) const {
    const W* from = record_ + static_cast<std::size_t>(of_.graph.out_dst[out]) * 3 * kStride;
    Heads u =
        load_heads<W, kStride>(of_.s + j * of_.all_heads, of_.group.count).plus(Heads::load(from));
    Heads::load(from + kStride).store(scratch.logsumexp.value + k * kStride);
    Heads::load(from + 2 * kStride).store(scratch.delta.value + k * kStride);
    scratch.edge[k] = out;
    if (of_.edge != nullptr || of_.dropout.active) {
      const auto in = static_cast<std::size_t>(of_.graph.out_edge[out]);
      if (of_.edge != nullptr)
        u = u.plus(load_heads<W, kStride>(of_.edge + in * of_.all_heads, of_.group.count));
      if (of_.dropout.active)
        kept_heads<W, kStride>(kept_, in).store(scratch.factor.value + k * kStride);
    }
    u.store(scratch.u.value + k * kStride);
  }

  /// Writes the weights of a chunk's edges and leaves alpha LeakyReLU'(u) Delta in `delta`.
  void weigh(std::size_t count, Scratch& scratch) const {
    const std::size_t values = count * kStride;
    for_vectors<W>(values, [&](auto d, std::size_t k) HWY_ATTR {
      const auto u = hn::Load(d, scratch.u.value + k);
      const auto above = hn::Gt(u, hn::Zero(d));
      const auto slope = hn::IfThenElse(above, hn::Set(d, W{1}), hn::Set(d, of_.slope));
      const auto alpha =
          hn::Exp(d, hn::Sub(hn::Mul(u, slope), hn::Load(d, scratch.logsumexp.value + k)));
      const auto delta = hn::Load(d, scratch.delta.value + k);
      hn::Store(hn::Mul(hn::Mul(alpha, slope), delta), d, scratch.delta.value + k);
      auto w = alpha;
      if (of_.dropout.active)
        w = hn::Mul(w, hn::Load(d, scratch.factor.value + k));
      hn::Store(hn::IfThenElse(above, w, hn::Neg(w)), d, scratch.u.value + k);
    });
    for (std::size_t e = 0; e < count; ++e)
      Heads::load(scratch.u.value + e * kStride).store(weight_ + scratch.edge[e] * kStride);
  }

  /// Adds the terms of `count` edges of the chunk from `first` on; long lists go on in double.
  HWY_INLINE std::size_t add_terms(std::size_t first,
                                   std::size_t count,
                                   const Scratch& scratch,
                                   double* sum) const {
    Heads part = Heads::all(0);
    for (std::size_t e = first; e < first + count; ++e)
      part = part.plus(Heads::load(scratch.delta.value + e * kStride));
    W values[kStride];
    part.store(values);
    for (std::size_t h = 0; h < kStride; ++h) sum[h] += static_cast<double>(values[h]);
    return first + count;
  }

  GatScalars<W> of_;
  const W* record_;
  const std::int64_t* end_;
  KeptFactors<W> kept_;
  W* weight_;
  W* gradient_;
};

}  // namespace

void gat_source_weights_target(const GatSourceWeights& pass) {
  const PreparedGraph& graph = *pass.in->graph;
  const EdgeLists lists{pass.in->nodes, graph.out_ptr.data(), pass.end, graph.out_dst.data()};
  pass.in->dtype == KernelType::kFloat64 ? run_stride<double, SourceWeights>(pass, lists)
                                         : run_stride<float, SourceWeights>(pass, lists);
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(gat_source_weights_target);

void gat_source_weights(const GatSourceWeights& pass) {
  HWY_DYNAMIC_DISPATCH(gat_source_weights_target)(pass);
}

}  // namespace regatta::cpu
#endif
