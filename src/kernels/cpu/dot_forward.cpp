// Dot-product forward: logits of a chunk, running maximum, then the weighted sum of the same rows.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/dot_forward.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "core/parallel.h"
#include "kernels/cpu/attention_planes-inl.h"
#include "kernels/cpu/cpu_attention.h"
#include "kernels/cpu/row_pieces.h"

#include <cmath>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

template <class T>
struct DotScratch {
  Planes<T> logit;
  Planes<T> weight;
  Planes<T> factor;
  Counters counters;
  SoftmaxState<T> softmax;
};

template <class T>
class DotForward {
 public:
  DotForward(const AttentionForwardArgs& args, const void* value)
      : view_(args.in),
        value_(static_cast<const T*>(value)),
        out_(static_cast<T*>(args.out)),
        logsumexp_(static_cast<T*>(args.logsumexp)) {}

  void run(RowRange rows) const {
    DotScratch<T> scratch{};
    for (auto i = static_cast<std::size_t>(rows.begin); i < static_cast<std::size_t>(rows.end); ++i)
      for_head_blocks(view_.heads, [&](HeadBlock block) { row(i, block, scratch); });
  }

 private:
  void row(std::size_t i, HeadBlock block, DotScratch<T>& scratch) const {
    const auto begin = static_cast<std::size_t>(view_.graph.in.indptr[i]);
    const auto end = static_cast<std::size_t>(view_.graph.in.indptr[i + 1]);
    const Span span = view_.span(block);
    T* out = out_ + i * view_.row;
    std::fill(out + span.begin, out + span.end, T{0});
    std::fill_n(scratch.softmax.maximum, block.count, -std::numeric_limits<T>::infinity());
    std::fill_n(scratch.softmax.sum, block.count, T{0});
    // Rows of a chunk are read twice; a chunk that fits the first-level cache makes the second read
    // cheap.
    const std::size_t step = chunk_of_row(view_.row * sizeof(T));
    for (std::size_t first = begin; first < end; first += step) {
      const Span edges{first, std::min(first + step, end)};
      find_logits(i, block, edges, scratch);
      weigh(block, edges, out, scratch);
      gather(block, edges, out, scratch);
    }
    finish(i, block, begin == end, scratch);
  }

  void finish(std::size_t i, HeadBlock block, bool empty, const DotScratch<T>& scratch) const {
    T* logsumexp = logsumexp_ == nullptr ? nullptr : logsumexp_ + i * view_.heads + block.first;
    if (empty) {
      if (logsumexp != nullptr)
        std::fill_n(logsumexp, block.count, T{0});
      return;
    }
    if (logsumexp != nullptr)
      store_logsumexp(scratch.softmax, block.count, logsumexp);
    for (std::size_t h = 0; h < block.count; ++h)
      scale_row(T{1} / scratch.softmax.sum[h], view_.span(block.first + h), out_ + i * view_.row);
  }

  void find_logits(std::size_t i, HeadBlock block, Span edges, DotScratch<T>& scratch) const {
    const std::int32_t* src = view_.graph.in.src.data() + edges.begin;
    const std::int32_t* end = view_.graph.in.src.data() + view_.graph.in.src.size();
    by_four(edges.end - edges.begin, [&]<std::size_t kRows>(std::size_t e) HWY_ATTR {
      const Gathered<kRows, T> rows(view_.z, view_.row, src + e);
      prefetch_rows<kRows>(view_, view_.z, src + e, end);
      for (std::size_t h = 0; h < block.count; ++h) {
        T* product = scratch.logit.head(h) + e;
        std::fill_n(product, kRows, T{0});
        dot_rows<kRows>(view_.z + i * view_.row, rows.row, view_.span(block.first + h), product);
      }
    });
  }

  /// Weights against the running maximum; where that grew, earlier sums shrink.
  void weigh(HeadBlock block, Span edges, T* out, DotScratch<T>& scratch) const {
    const std::size_t count = edges.end - edges.begin;
    if (view_.attention_dropout.active) {
      for (std::size_t e = 0; e < count; ++e)
        scratch.counters.id[e] =
            static_cast<std::uint64_t>(view_.graph.in.edge_id[edges.begin + e]);
      edge_factors(view_.attention_dropout, block, count, scratch.counters, scratch.factor);
    }
    for (std::size_t h = 0; h < block.count; ++h) {
      const T before = scratch.softmax.maximum[h];
      scratch.softmax.maximum[h] = chunk_maximum(scratch.logit.head(h), count, before);
      if (scratch.softmax.sum[h] > 0 && scratch.softmax.maximum[h] > before) {
        const T shrink = std::exp(before - scratch.softmax.maximum[h]);
        scratch.softmax.sum[h] *= shrink;
        scale_row(shrink, view_.span(block.first + h), out);
      }
      weigh_head(h, count, scratch);
    }
  }

  T chunk_maximum(T* logit, std::size_t count, T before) const {
    const hn::ScalableTag<T> d;
    const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
    auto largest = hn::Set(d, before);
    for (std::size_t k = 0; k < count; k += hn::Lanes(d)) {
      const auto e = hn::Mul(hn::Load(d, logit + k), hn::Set(d, view_.scale));
      hn::Store(e, d, logit + k);
      largest = hn::Max(largest, hn::IfThenElse(hn::FirstN(d, count - k), e, lowest));
    }
    return hn::GetLane(hn::MaxOfLanes(d, largest));
  }

  void weigh_head(std::size_t h, std::size_t count, DotScratch<T>& scratch) const {
    const hn::ScalableTag<T> d;
    auto sum = hn::Zero(d);
    for (std::size_t k = 0; k < count; k += hn::Lanes(d)) {
      const auto shifted =
          hn::Sub(hn::Load(d, scratch.logit.head(h) + k), hn::Set(d, scratch.softmax.maximum[h]));
      auto w = hn::IfThenElseZero(hn::FirstN(d, count - k), hn::Exp(d, shifted));
      sum = hn::Add(sum, w);
      if (view_.attention_dropout.active)
        w = hn::Mul(w, hn::Load(d, scratch.factor.head(h) + k));
      hn::Store(w, d, scratch.weight.head(h) + k);
    }
    scratch.softmax.sum[h] += hn::GetLane(hn::SumOfLanes(d, sum));
  }

  void gather(HeadBlock block, Span edges, T* out, DotScratch<T>& scratch) const {
    const std::int32_t* src = view_.graph.in.src.data() + edges.begin;
    by_four(edges.end - edges.begin, [&]<std::size_t kRows>(std::size_t e) HWY_ATTR {
      const Gathered<kRows, T> rows(value_, view_.row, src + e);
      for (std::size_t h = 0; h < block.count; ++h)
        add_rows<kRows>(scratch.weight.head(h) + e, rows.row, view_.span(block.first + h), out);
    });
  }

  View<T> view_;
  const T* value_;
  T* out_;
  T* logsumexp_;
};

template <class T>
void run_typed(const AttentionForwardArgs& args, const void* value) {
  const DotForward<T> pass(args, value);
  const RowPieces pieces(args.in.graph->in.indptr.data(), args.in.rows);
  parallel_pieces(pieces.count(), [&](std::int64_t p) { pass.run(pieces.piece(p)); });
}

}  // namespace

void dot_forward_target(const AttentionForwardArgs& args, const void* value) {
  args.in.dtype == KernelType::kFloat32 ? run_typed<float>(args, value)
                                        : run_typed<double>(args, value);
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(dot_forward_target);

void dot_forward(const AttentionForwardArgs& args, const void* value) {
  HWY_DYNAMIC_DISPATCH(dot_forward_target)(args, value);
}

}  // namespace regatta::cpu
#endif
