// Dot-product backward with q = k = v = z: a pass over in-edges for the query part of grad_z, one
// over out-edges for the key and value parts; each row of grad_z has one writer in each pass.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/dot_backward.cpp"
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
struct DotPlanes {
  Planes<T> logit;
  Planes<T> product;  ///< p = <g_i, (mu z)_j>
  Planes<T> logsumexp;
  Planes<T> delta;
  Planes<T> factor;
  Planes<T> weight;    ///< alpha m
  Planes<T> gradient;  ///< gamma
  Counters counters;
};

template <class T>
class DotBackward {
 public:
  DotBackward(const AttentionBackwardArgs& args, const BackwardScratch& scratch)
      : view_(args.in),
        out_(static_cast<const T*>(args.out)),
        logsumexp_(static_cast<const T*>(args.logsumexp)),
        grad_out_(static_cast<const T*>(args.grad_out)),
        grad_z_(static_cast<T*>(args.grad_value)),
        records_(static_cast<T*>(scratch.records)),
        value_(static_cast<const T*>(scratch.masked == nullptr ? args.in.value : scratch.masked)),
        piece_rows_(static_cast<T*>(scratch.pieces)) {}

  void run_rows(RowRange rows) const {
    DotPlanes<T> planes{};
    for (auto i = static_cast<std::size_t>(rows.begin); i < static_cast<std::size_t>(rows.end);
         ++i) {
      write_record(i);
      std::fill_n(grad_z_ + i * view_.row, view_.row, T{0});
      for_head_blocks(view_.heads, [&](HeadBlock block) { row(i, block, planes); });
    }
  }

  void run_sources(RowRange sources, std::int64_t piece) const {
    DotPlanes<T> planes{};
    T* const scratch = piece_rows_ == nullptr ? nullptr
                                              : piece_rows_ + static_cast<std::size_t>(piece) *
                                                                  kScratchRows * view_.row;
    for (auto j = static_cast<std::size_t>(sources.begin);
         j < static_cast<std::size_t>(sources.end);
         ++j) {
      Source of{j, view_.z + j * view_.row, grad_z_ + j * view_.row};
      if (j >= view_.rows)
        std::fill_n(of.value_gradient, view_.row, T{0});
      if (scratch != nullptr) {
        T* const targets[2] = {scratch, scratch + view_.row};
        mask_row(view_.message_dropout, view_.graph.global_id[j], of.value, view_.row, targets);
        of.value = scratch + view_.row;
        of.value_gradient = scratch + 2 * view_.row;
        std::fill_n(of.value_gradient, view_.row, T{0});
      }
      for_head_blocks(view_.heads, [&](HeadBlock block) { source(of, block, planes); });
      if (scratch != nullptr)
        for (std::size_t k = 0; k < view_.row; ++k)
          grad_z_[j * view_.row + k] += scratch[k] * of.value_gradient[k];
    }
  }

 private:
  struct Source {
    std::size_t j;
    const T* value;     ///< (mu z)_j
    T* value_gradient;  ///< sum of alpha m g_i, before mu
  };

  const T* record(std::size_t i) const { return records_ + i * 2 * view_.heads; }

  /// {L, Delta} of row i, each for all heads.
  void write_record(std::size_t i) const {
    T* to = records_ + i * 2 * view_.heads;
    const T* const out[1] = {out_ + i * view_.row};
    for (std::size_t h = 0; h < view_.heads; ++h) {
      T delta = 0;
      dot_rows<1>(grad_out_ + i * view_.row, out, view_.span(h), &delta);
      to[h] = logsumexp_[i * view_.heads + h];
      to[view_.heads + h] = delta;
    }
  }

  void row(std::size_t i, HeadBlock block, DotPlanes<T>& planes) const {
    const auto& in = view_.graph.in;
    const auto end = static_cast<std::size_t>(in.indptr[i + 1]);
    const std::size_t step = chunk_of_row(view_.row * sizeof(T));
    for (auto first = static_cast<std::size_t>(in.indptr[i]); first < end; first += step) {
      const std::size_t count = std::min(step, end - first);
      const std::int32_t* src = in.src.data() + first;
      load_row_scalars(i, block, {first, first + count}, planes);
      by_four(count, [&]<std::size_t kRows>(std::size_t e) HWY_ATTR {
        const Gathered<kRows, T> keys(view_.z, view_.row, src + e);
        const Gathered<kRows, T> values(value_, view_.row, src + e);
        prefetch_rows<kRows>(view_, view_.z, src + e, in.src.data() + in.src.size());
        dots(block, e, view_.z + i * view_.row, keys, planes.logit);
        dots(block, e, grad_out_ + i * view_.row, values, planes.product);
      });
      for (std::size_t h = 0; h < block.count; ++h) weigh(h, count, planes);
      by_four(count, [&]<std::size_t kRows>(std::size_t e) HWY_ATTR {
        const Gathered<kRows, T> keys(view_.z, view_.row, src + e);
        add(block, e, planes.gradient, keys, grad_z_ + i * view_.row);
      });
    }
  }

  void source(const Source& of, HeadBlock block, DotPlanes<T>& planes) const {
    const auto& graph = view_.graph;
    const auto begin = static_cast<std::size_t>(graph.out_ptr[of.j]);
    const std::size_t end =
        begin + static_cast<std::size_t>(graph.out_end(static_cast<std::int64_t>(of.j),
                                                       static_cast<std::int64_t>(view_.rows)));
    const std::size_t step = chunk_of_row(2 * view_.row * sizeof(T));
    for (std::size_t first = begin; first < end; first += step) {
      const std::size_t count = std::min(step, end - first);
      const std::int32_t* dst = graph.out_dst.data() + first;
      load_source_scalars(block, {first, first + count}, planes);
      by_four(count, [&]<std::size_t kRows>(std::size_t e) HWY_ATTR {
        const Gathered<kRows, T> queries(view_.z, view_.row, dst + e);
        const Gathered<kRows, T> gradients(grad_out_, view_.row, dst + e);
        prefetch_rows<kRows>(view_, view_.z, dst + e, graph.out_dst.data() + end);
        prefetch_rows<kRows>(view_, grad_out_, dst + e, graph.out_dst.data() + end);
        dots(block, e, view_.z + of.j * view_.row, queries, planes.logit);
        dots(block, e, of.value, gradients, planes.product);
      });
      for (std::size_t h = 0; h < block.count; ++h) weigh(h, count, planes);
      by_four(count, [&]<std::size_t kRows>(std::size_t e) HWY_ATTR {
        const Gathered<kRows, T> queries(view_.z, view_.row, dst + e);
        const Gathered<kRows, T> gradients(grad_out_, view_.row, dst + e);
        add(block, e, planes.gradient, queries, grad_z_ + of.j * view_.row);
        add(block, e, planes.weight, gradients, of.value_gradient);
      });
    }
  }

  template <std::size_t kRows>
  HWY_INLINE void dots(HeadBlock block,
                       std::size_t e,
                       const T* fixed,
                       const Gathered<kRows, T>& rows,
                       Planes<T>& to) const {
    for (std::size_t h = 0; h < block.count; ++h) {
      T* product = to.head(h) + e;
      std::fill_n(product, kRows, T{0});
      dot_rows<kRows>(fixed, rows.row, view_.span(block.first + h), product);
    }
  }

  template <std::size_t kRows>
  HWY_INLINE void add(HeadBlock block,
                      std::size_t e,
                      Planes<T>& coefficient,
                      const Gathered<kRows, T>& rows,
                      T* acc) const {
    for (std::size_t h = 0; h < block.count; ++h)
      add_rows<kRows>(coefficient.head(h) + e, rows.row, view_.span(block.first + h), acc);
  }

  void load_row_scalars(std::size_t i, HeadBlock block, Span edges, DotPlanes<T>& planes) const {
    for (std::size_t h = 0; h < block.count; ++h) {
      std::fill_n(planes.logsumexp.head(h), kChunk, record(i)[block.first + h]);
      std::fill_n(planes.delta.head(h), kChunk, record(i)[view_.heads + block.first + h]);
    }
    for (std::size_t e = edges.begin; e < edges.end; ++e)
      planes.counters.id[e - edges.begin] = static_cast<std::uint64_t>(view_.graph.in.edge_id[e]);
    load_factors(block, edges.end - edges.begin, planes);
  }

  void load_source_scalars(HeadBlock block, Span edges, DotPlanes<T>& planes) const {
    const auto& graph = view_.graph;
    for (std::size_t e = edges.begin; e < edges.end; ++e) {
      const T* from = record(static_cast<std::size_t>(graph.out_dst[e])) + block.first;
      for (std::size_t h = 0; h < block.count; ++h) {
        planes.logsumexp.value[h * kChunk + e - edges.begin] = from[h];
        planes.delta.value[h * kChunk + e - edges.begin] = from[view_.heads + h];
      }
      planes.counters.id[e - edges.begin] =
          static_cast<std::uint64_t>(graph.in.edge_id[static_cast<std::size_t>(graph.out_edge[e])]);
    }
    load_factors(block, edges.end - edges.begin, planes);
  }

  void load_factors(HeadBlock block, std::size_t count, DotPlanes<T>& planes) const {
    if (view_.attention_dropout.active)
      edge_factors(view_.attention_dropout, block, count, planes.counters, planes.factor);
  }

  /// alpha m and gamma = alpha (m p - Delta) scale of a head's edges.
  void weigh(std::size_t h, std::size_t count, DotPlanes<T>& planes) const {
    const hn::ScalableTag<T> d;
    const auto scale = hn::Set(d, view_.scale);
    for (std::size_t k = 0; k < count; k += hn::Lanes(d)) {
      const auto e = hn::Mul(hn::Load(d, planes.logit.head(h) + k), scale);
      const auto alpha = hn::Exp(d, hn::Sub(e, hn::Load(d, planes.logsumexp.head(h) + k)));
      auto weight = alpha;
      if (view_.attention_dropout.active)
        weight = hn::Mul(alpha, hn::Load(d, planes.factor.head(h) + k));
      const auto scaled = hn::Mul(alpha, hn::Load(d, planes.delta.head(h) + k));
      const auto gradient = hn::MulSub(weight, hn::Load(d, planes.product.head(h) + k), scaled);
      hn::Store(weight, d, planes.weight.head(h) + k);
      hn::Store(hn::Mul(gradient, scale), d, planes.gradient.head(h) + k);
    }
  }

  View<T> view_;
  const T* out_;
  const T* logsumexp_;
  const T* grad_out_;
  T* grad_z_;
  T* records_;
  const T* value_;
  T* piece_rows_;
};

template <class T>
void rows_typed(const AttentionBackwardArgs& args, const BackwardScratch& scratch) {
  const DotBackward<T> pass(args, scratch);
  const RowPieces pieces(args.in.graph->in.indptr.data(), args.in.rows);
  parallel_pieces(pieces.count(), [&](std::int64_t p) { pass.run_rows(pieces.piece(p)); });
}

template <class T>
void sources_typed(const AttentionBackwardArgs& args, const BackwardScratch& scratch) {
  const DotBackward<T> pass(args, scratch);
  const RowPieces pieces(args.in.graph->out_ptr.data(), args.in.nodes);
  parallel_pieces(pieces.count(), [&](std::int64_t p) { pass.run_sources(pieces.piece(p), p); });
}

}  // namespace

void dot_rows_target(const AttentionBackwardArgs& args, const BackwardScratch& scratch) {
  args.in.dtype == KernelType::kFloat32 ? rows_typed<float>(args, scratch)
                                        : rows_typed<double>(args, scratch);
}

void dot_sources_target(const AttentionBackwardArgs& args, const BackwardScratch& scratch) {
  args.in.dtype == KernelType::kFloat32 ? sources_typed<float>(args, scratch)
                                        : sources_typed<double>(args, scratch);
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(dot_rows_target);
HWY_EXPORT(dot_sources_target);

void dot_backward_rows(const AttentionBackwardArgs& args, const BackwardScratch& scratch) {
  HWY_DYNAMIC_DISPATCH(dot_rows_target)(args, scratch);
}

void dot_backward_sources(const AttentionBackwardArgs& args, const BackwardScratch& scratch) {
  HWY_DYNAMIC_DISPATCH(dot_sources_target)(args, scratch);
}

}  // namespace regatta::cpu
#endif
