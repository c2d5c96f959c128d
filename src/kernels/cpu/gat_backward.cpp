// GAT backward: per-row scalars first, then one pass over out-edges that gathers g.
//
// With C of the forward, dt_i = (1 - slope) <g_i, C_i>; without it dt is summed over the in-edges,
// which gathers z once more. docs/numerics.md section 1.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/gat_backward.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "core/parallel.h"
#include "kernels/cpu/attention_planes-inl.h"
#include "kernels/cpu/cpu_attention.h"
#include "kernels/cpu/row_pieces.h"

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

template <class T>
struct BackwardPlanes {
  Planes<T> logit;      ///< the part of u that varies over the chunk
  Planes<T> logsumexp;  ///< L (sources pass)
  Planes<T> delta;      ///< Delta (sources pass)
  Planes<T> factor;     ///< m
  Planes<T> weight;     ///< alpha m
  Planes<T> slope;      ///< LeakyReLU'(u)
  Planes<T> alpha;
  Planes<T> product;  ///< p
  Counters counters;
};

/// Scalars that stay fixed over a chunk, of one head.
template <class T>
struct HeadScalars {
  T logit;
  T logsumexp;
  T delta;
};

template <class T>
class GatBackward {
 public:
  GatBackward(const AttentionBackwardArgs& args, const BackwardScratch& scratch)
      : view_(args.in),
        out_(static_cast<const T*>(args.out)),
        logsumexp_(static_cast<const T*>(args.logsumexp)),
        correction_(static_cast<const T*>(args.correction)),
        grad_out_(static_cast<const T*>(args.grad_out)),
        grad_z_(static_cast<T*>(args.grad_value)),
        grad_s_(static_cast<T*>(args.grad_source_logit)),
        grad_t_(static_cast<T*>(args.grad_destination_logit)),
        records_(static_cast<T*>(scratch.records)),
        value_(static_cast<const T*>(scratch.masked == nullptr ? args.in.value : scratch.masked)),
        piece_rows_(static_cast<T*>(scratch.pieces)) {}

  void run_rows(RowRange rows) const {
    BackwardPlanes<T> planes{};
    for (auto i = static_cast<std::size_t>(rows.begin); i < static_cast<std::size_t>(rows.end);
         ++i) {
      write_record(i);
      if (correction_ == nullptr)
        for_head_blocks(view_.heads, [&](HeadBlock block) { sum_row(i, block, planes); });
    }
  }

  void run_sources(RowRange sources, std::int64_t piece) const {
    BackwardPlanes<T> planes{};
    T* const scratch = piece_rows_ == nullptr ? nullptr
                                              : piece_rows_ + static_cast<std::size_t>(piece) *
                                                                  kScratchRows * view_.row;
    for (auto j = static_cast<std::size_t>(sources.begin);
         j < static_cast<std::size_t>(sources.end);
         ++j) {
      const T* value = view_.z + j * view_.row;
      if (scratch != nullptr) {
        T* const targets[2] = {scratch, scratch + view_.row};
        mask_row(view_.message_dropout, view_.graph.global_id[j], value, view_.row, targets);
        value = scratch + view_.row;
      }
      T* grad = grad_z_ + j * view_.row;
      std::fill_n(grad, view_.row, T{0});
      for_head_blocks(view_.heads, [&](HeadBlock block) { source(j, block, value, planes); });
      if (scratch != nullptr)
        multiply_rows(scratch, grad, Span{0, view_.row}, grad);
    }
  }

 private:
  const T* record(std::size_t i) const { return records_ + i * 3 * view_.heads; }

  /// {t, L, Delta} of row i, each for all heads; dt too where C gives it.
  void write_record(std::size_t i) const {
    T* to = records_ + i * 3 * view_.heads;
    const T* g = grad_out_ + i * view_.row;
    const T* const out[1] = {out_ + i * view_.row};
    for (std::size_t h = 0; h < view_.heads; ++h) {
      T delta = 0;
      dot_rows<1>(g, out, view_.span(h), &delta);
      to[h] = view_.t[i * view_.heads + h];
      to[view_.heads + h] = logsumexp_[i * view_.heads + h];
      to[2 * view_.heads + h] = delta;
      if (correction_ == nullptr)
        continue;
      const T* const correction[1] = {correction_ + i * view_.row};
      T product = 0;
      dot_rows<1>(g, correction, view_.span(h), &product);
      grad_t_[i * view_.heads + h] = (T{1} - view_.slope) * product;
    }
  }

  /// dt_i as the sum over in-edges.
  void sum_row(std::size_t i, HeadBlock block, BackwardPlanes<T>& planes) const {
    const auto& in = view_.graph.in;
    const auto end = static_cast<std::size_t>(in.indptr[i + 1]);
    const T* own = record(i) + block.first;
    T* grad = grad_t_ + i * view_.heads + block.first;
    std::fill_n(grad, block.count, T{0});
    for (auto begin = static_cast<std::size_t>(in.indptr[i]); begin < end; begin += kChunk) {
      const std::size_t count = std::min(kChunk, end - begin);
      for (std::size_t e = 0; e < count; ++e) {
        const T* s =
            view_.s + static_cast<std::size_t>(in.src[begin + e]) * view_.heads + block.first;
        for (std::size_t h = 0; h < block.count; ++h) planes.logit.value[h * kChunk + e] = s[h];
        planes.counters.id[e] = static_cast<std::uint64_t>(in.edge_id[begin + e]);
      }
      load_factors(block, count, planes);
      by_four(count, [&]<std::size_t kRows>(std::size_t e) HWY_ATTR {
        const Gathered<kRows, T> rows(value_, view_.row, in.src.data() + begin + e);
        prefetch_rows<kRows>(
            view_, value_, in.src.data() + begin + e, in.src.data() + in.src.size());
        for (std::size_t h = 0; h < block.count; ++h)
          dot(grad_out_ + i * view_.row,
              rows.row,
              view_.span(block.first + h),
              planes.product.head(h) + e);
      });
      for (std::size_t h = 0; h < block.count; ++h) {
        const HeadScalars<T> scalars{own[h], own[view_.heads + h], own[2 * view_.heads + h]};
        weigh<true>(h, scalars, count, planes);
        grad[h] += sum_gradient<true>(h, scalars, count, planes);
      }
    }
  }

  template <std::size_t kRows>
  HWY_INLINE static void dot(const T* fixed, const T* const (&rows)[kRows], Span span, T* product) {
    std::fill_n(product, kRows, T{0});
    dot_rows<kRows>(fixed, rows, span, product);
  }

  /// ds_j, and the sum of alpha m g_i into grad_z.
  void source(std::size_t j, HeadBlock block, const T* value, BackwardPlanes<T>& planes) const {
    const auto begin = static_cast<std::size_t>(view_.graph.out_ptr[j]);
    const std::size_t end =
        begin + static_cast<std::size_t>(view_.graph.out_end(
                    static_cast<std::int64_t>(j), static_cast<std::int64_t>(view_.rows)));
    T* grad = grad_s_ + j * view_.heads + block.first;
    std::fill_n(grad, block.count, T{0});
    for (std::size_t first = begin; first < end; first += kChunk) {
      const std::size_t count = std::min(kChunk, end - first);
      load_records(block, first, count, planes);
      load_factors(block, count, planes);
      for (std::size_t h = 0; h < block.count; ++h)
        weigh<false>(h, source_scalars(j, block.first + h), count, planes);
      gather(j, block, {first, first + count}, value, planes);
      for (std::size_t h = 0; h < block.count; ++h)
        grad[h] += sum_gradient<false>(h, source_scalars(j, block.first + h), count, planes);
    }
  }

  HeadScalars<T> source_scalars(std::size_t j, std::size_t h) const {
    return {view_.s[j * view_.heads + h], 0, 0};
  }

  void load_records(HeadBlock block,
                    std::size_t first,
                    std::size_t count,
                    BackwardPlanes<T>& planes) const {
    const auto& graph = view_.graph;
    for (std::size_t e = 0; e < count; ++e) {
      const T* from = record(static_cast<std::size_t>(graph.out_dst[first + e])) + block.first;
      for (std::size_t h = 0; h < block.count; ++h) {
        planes.logit.value[h * kChunk + e] = from[h];
        planes.logsumexp.value[h * kChunk + e] = from[view_.heads + h];
        planes.delta.value[h * kChunk + e] = from[2 * view_.heads + h];
      }
    }
    if (!view_.attention_dropout.active)
      return;
    for (std::size_t e = 0; e < count; ++e)
      planes.counters.id[e] = static_cast<std::uint64_t>(
          graph.in.edge_id[static_cast<std::size_t>(graph.out_edge[first + e])]);
  }

  void load_factors(HeadBlock block, std::size_t count, BackwardPlanes<T>& planes) const {
    if (view_.attention_dropout.active)
      edge_factors(view_.attention_dropout, block, count, planes.counters, planes.factor);
  }

  /// One gather of g serves p and the message gradient.
  void gather(
      std::size_t j, HeadBlock block, Span edges, const T* value, BackwardPlanes<T>& planes) const {
    const std::int32_t* dst = view_.graph.out_dst.data() + edges.begin;
    const std::int32_t* end = view_.graph.out_dst.data() + view_.graph.out_dst.size();
    T* grad = grad_z_ + j * view_.row;
    by_four(edges.end - edges.begin, [&]<std::size_t kRows>(std::size_t e) HWY_ATTR {
      const Gathered<kRows, T> rows(grad_out_, view_.row, dst + e);
      prefetch_rows<kRows>(view_, grad_out_, dst + e, end);
      for (std::size_t h = 0; h < block.count; ++h) {
        T* product = planes.product.head(h) + e;
        std::fill_n(product, kRows, T{0});
        dot_and_add_rows<kRows>(
            value, planes.weight.head(h) + e, rows.row, view_.span(block.first + h), product, grad);
      }
    });
  }

  /// alpha, alpha m and the slope of a head's edges. kByRow: L is that of the row, else of each
  /// edge.
  template <bool kByRow>
  void weigh(std::size_t h,
             const HeadScalars<T>& fixed,
             std::size_t count,
             BackwardPlanes<T>& planes) const {
    const hn::ScalableTag<T> d;
    for (std::size_t k = 0; k < count; k += hn::Lanes(d)) {
      const auto u = hn::Add(hn::Load(d, planes.logit.head(h) + k), hn::Set(d, fixed.logit));
      const auto slope =
          hn::IfThenElse(hn::Gt(u, hn::Zero(d)), hn::Set(d, T{1}), hn::Set(d, view_.slope));
      const auto l =
          kByRow ? hn::Set(d, fixed.logsumexp) : hn::Load(d, planes.logsumexp.head(h) + k);
      const auto alpha = hn::Exp(d, hn::Sub(hn::Mul(u, slope), l));
      auto weight = alpha;
      if (view_.attention_dropout.active)
        weight = hn::Mul(alpha, hn::Load(d, planes.factor.head(h) + k));
      hn::Store(slope, d, planes.slope.head(h) + k);
      hn::Store(alpha, d, planes.alpha.head(h) + k);
      hn::Store(weight, d, planes.weight.head(h) + k);
    }
  }

  /// Sum of (alpha m p - alpha Delta) slope over a head's edges.
  template <bool kByRow>
  T sum_gradient(std::size_t h,
                 const HeadScalars<T>& fixed,
                 std::size_t count,
                 BackwardPlanes<T>& planes) const {
    const hn::ScalableTag<T> d;
    auto sum = hn::Zero(d);
    for (std::size_t k = 0; k < count; k += hn::Lanes(d)) {
      const auto delta = kByRow ? hn::Set(d, fixed.delta) : hn::Load(d, planes.delta.head(h) + k);
      const auto scaled = hn::Mul(hn::Load(d, planes.alpha.head(h) + k), delta);
      const auto gradient = hn::MulSub(
          hn::Load(d, planes.weight.head(h) + k), hn::Load(d, planes.product.head(h) + k), scaled);
      const auto term = hn::Mul(gradient, hn::Load(d, planes.slope.head(h) + k));
      sum = hn::Add(sum, hn::IfThenElseZero(hn::FirstN(d, count - k), term));
    }
    return hn::GetLane(hn::SumOfLanes(d, sum));
  }

  View<T> view_;
  const T* out_;
  const T* logsumexp_;
  const T* correction_;
  const T* grad_out_;
  T* grad_z_;
  T* grad_s_;
  T* grad_t_;
  T* records_;
  const T* value_;
  T* piece_rows_;
};

template <class T>
void rows_typed(const AttentionBackwardArgs& args, const BackwardScratch& scratch) {
  const GatBackward<T> pass(args, scratch);
  const RowPieces pieces(args.in.graph->in.indptr.data(), args.in.rows);
  parallel_pieces(pieces.count(), [&](std::int64_t p) { pass.run_rows(pieces.piece(p)); });
}

template <class T>
void sources_typed(const AttentionBackwardArgs& args, const BackwardScratch& scratch) {
  const GatBackward<T> pass(args, scratch);
  const RowPieces pieces(args.in.graph->out_ptr.data(), args.in.nodes);
  parallel_pieces(pieces.count(), [&](std::int64_t p) { pass.run_sources(pieces.piece(p), p); });
}

}  // namespace

void gat_rows_target(const AttentionBackwardArgs& args, const BackwardScratch& scratch) {
  args.in.dtype == KernelType::kFloat32 ? rows_typed<float>(args, scratch)
                                        : rows_typed<double>(args, scratch);
}

void gat_sources_target(const AttentionBackwardArgs& args, const BackwardScratch& scratch) {
  args.in.dtype == KernelType::kFloat32 ? sources_typed<float>(args, scratch)
                                        : sources_typed<double>(args, scratch);
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(gat_rows_target);
HWY_EXPORT(gat_sources_target);

void gat_backward_rows(const AttentionBackwardArgs& args, const BackwardScratch& scratch) {
  HWY_DYNAMIC_DISPATCH(gat_rows_target)(args, scratch);
}

void gat_backward_sources(const AttentionBackwardArgs& args, const BackwardScratch& scratch) {
  HWY_DYNAMIC_DISPATCH(gat_sources_target)(args, scratch);
}

}  // namespace regatta::cpu
#endif
