// GAT forward: softmax from scalars alone, then one gather of z an edge.
//
// LeakyReLU never falls, so the maximum logit of a row is LeakyReLU(t_i + max_j s_j): no rescaling
// later.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/gat_forward.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "core/parallel.h"
#include "kernels/cpu/attention_planes-inl.h"
#include "kernels/cpu/cpu_attention.h"
#include "kernels/cpu/row_pieces.h"

#include <limits>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

template <class T>
struct ForwardScratch {
  Planes<T> logit;     ///< s_j
  Planes<T> weight;    ///< exp(e - max) m
  Planes<T> positive;  ///< the same where u > 0, else 0
  Planes<T> factor;    ///< m
  Counters counters;
  SoftmaxState<T> softmax;
  T positive_sum[kHeadBlock];
};

template <class T>
class GatForward {
 public:
  GatForward(const AttentionForwardArgs& args, const void* value)
      : view_(args.in),
        value_(static_cast<const T*>(value)),
        out_(static_cast<T*>(args.out)),
        logsumexp_(static_cast<T*>(args.logsumexp)),
        correction_(static_cast<T*>(args.correction)) {}

  void run(RowRange rows) const {
    ForwardScratch<T> scratch{};
    for (auto i = static_cast<std::size_t>(rows.begin); i < static_cast<std::size_t>(rows.end); ++i)
      for_head_blocks(view_.heads, [&](HeadBlock block) { row(i, block, scratch); });
  }

 private:
  struct Chunk {
    std::size_t begin;  ///< first edge
    std::size_t count;
  };

  void row(std::size_t i, HeadBlock block, ForwardScratch<T>& scratch) const {
    const auto begin = static_cast<std::size_t>(view_.graph.in.indptr[i]);
    const auto end = static_cast<std::size_t>(view_.graph.in.indptr[i + 1]);
    const Span span = view_.span(block);
    std::fill(out_ + i * view_.row + span.begin, out_ + i * view_.row + span.end, T{0});
    if (correction_ != nullptr)
      std::fill(
          correction_ + i * view_.row + span.begin, correction_ + i * view_.row + span.end, T{0});
    if (begin == end) {
      if (logsumexp_ != nullptr)
        std::fill_n(logsumexp_ + i * view_.heads + block.first, block.count, T{0});
      return;
    }
    find_maximum(i, block, {begin, end - begin}, scratch);
    for (std::size_t e = begin; e < end; e += kChunk) {
      const Chunk chunk{e, std::min(kChunk, end - e)};
      if (end - begin > kChunk)
        load_logits(block, chunk, scratch);
      weigh(i, block, chunk, scratch);
      gather(i, block, chunk, scratch);
    }
    finish(i, block, scratch);
  }

  /// s_j into planes; the rest of the last vector gets -inf.
  void load_logits(HeadBlock block, Chunk chunk, ForwardScratch<T>& scratch) const {
    const hn::ScalableTag<T> d;
    const std::size_t last = (chunk.count - 1) / hn::Lanes(d) * hn::Lanes(d);
    for (std::size_t h = 0; h < block.count; ++h)
      hn::Store(hn::Set(d, -std::numeric_limits<T>::infinity()), d, scratch.logit.head(h) + last);
    const std::int32_t* src = view_.graph.in.src.data() + chunk.begin;
    for (std::size_t e = 0; e < chunk.count; ++e) {
      const T* s = view_.s + static_cast<std::size_t>(src[e]) * view_.heads + block.first;
      for (std::size_t h = 0; h < block.count; ++h) scratch.logit.value[h * kChunk + e] = s[h];
    }
  }

  void find_maximum(std::size_t i, HeadBlock block, Chunk all, ForwardScratch<T>& scratch) const {
    const hn::ScalableTag<T> d;
    std::fill_n(scratch.softmax.maximum, kHeadBlock, -std::numeric_limits<T>::infinity());
    for (std::size_t e = 0; e < all.count; e += kChunk) {
      const Chunk chunk{all.begin + e, std::min(kChunk, all.count - e)};
      load_logits(block, chunk, scratch);
      for (std::size_t h = 0; h < block.count; ++h) {
        auto largest = hn::Set(d, scratch.softmax.maximum[h]);
        for (std::size_t k = 0; k < chunk.count; k += hn::Lanes(d))
          largest = hn::Max(largest, hn::Load(d, scratch.logit.head(h) + k));
        scratch.softmax.maximum[h] = hn::GetLane(hn::MaxOfLanes(d, largest));
      }
    }
    for (std::size_t h = 0; h < block.count; ++h) {
      const T u = scratch.softmax.maximum[h] + view_.t[i * view_.heads + block.first + h];
      scratch.softmax.maximum[h] = u > 0 ? u : u * view_.slope;
      scratch.softmax.sum[h] = 0;
      scratch.positive_sum[h] = 0;
    }
  }

  void weigh(std::size_t i, HeadBlock block, Chunk chunk, ForwardScratch<T>& scratch) const {
    const bool dropout = view_.attention_dropout.active;
    if (dropout) {
      for (std::size_t e = 0; e < chunk.count; ++e)
        scratch.counters.id[e] =
            static_cast<std::uint64_t>(view_.graph.in.edge_id[chunk.begin + e]);
      edge_factors(view_.attention_dropout, block, chunk.count, scratch.counters, scratch.factor);
    }
    for (std::size_t h = 0; h < block.count; ++h)
      weigh_head(h, view_.t[i * view_.heads + block.first + h], chunk.count, scratch);
  }

  void weigh_head(std::size_t h, T t, std::size_t count, ForwardScratch<T>& scratch) const {
    const hn::ScalableTag<T> d;
    const auto slope = hn::Set(d, view_.slope);
    auto sum = hn::Zero(d);
    auto positive_sum = hn::Zero(d);
    for (std::size_t k = 0; k < count; k += hn::Lanes(d)) {
      const auto u = hn::Add(hn::Load(d, scratch.logit.head(h) + k), hn::Set(d, t));
      const auto above = hn::Gt(u, hn::Zero(d));
      const auto e = hn::IfThenElse(above, u, hn::Mul(u, slope));
      const auto shifted = hn::Sub(e, hn::Set(d, scratch.softmax.maximum[h]));
      auto w = hn::IfThenElseZero(hn::FirstN(d, count - k), hn::Exp(d, shifted));
      sum = hn::Add(sum, w);
      positive_sum = hn::Add(positive_sum, hn::IfThenElseZero(above, w));
      if (view_.attention_dropout.active)
        w = hn::Mul(w, hn::Load(d, scratch.factor.head(h) + k));
      hn::Store(w, d, scratch.weight.head(h) + k);
      hn::Store(hn::IfThenElseZero(above, w), d, scratch.positive.head(h) + k);
    }
    scratch.softmax.sum[h] += hn::GetLane(hn::SumOfLanes(d, sum));
    scratch.positive_sum[h] += hn::GetLane(hn::SumOfLanes(d, positive_sum));
  }

  void gather(std::size_t i, HeadBlock block, Chunk chunk, ForwardScratch<T>& scratch) const {
    const std::int32_t* src = view_.graph.in.src.data() + chunk.begin;
    const std::int32_t* end = view_.graph.in.src.data() + view_.graph.in.src.size();
    T* const acc[2] = {out_ + i * view_.row,
                       correction_ == nullptr ? nullptr : correction_ + i * view_.row};
    by_four(chunk.count, [&]<std::size_t kRows>(std::size_t e) HWY_ATTR {
      const Gathered<kRows, T> rows(value_, view_.row, src + e);
      prefetch_rows<kRows>(view_, value_, src + e, end);
      for (std::size_t h = 0; h < block.count; ++h) {
        const Span span = view_.span(block.first + h);
        const T* weight = scratch.weight.head(h) + e;
        if (acc[1] == nullptr)
          add_rows<kRows>(weight, rows.row, span, acc[0]);
        else
          add_rows_twice<kRows>(weight, scratch.positive.head(h) + e, rows.row, span, acc);
      }
    });
  }

  /// L; divides by the sums; C = O+ - A+ O.
  void finish(std::size_t i, HeadBlock block, ForwardScratch<T>& scratch) const {
    if (logsumexp_ != nullptr)
      store_logsumexp(scratch.softmax, block.count, logsumexp_ + i * view_.heads + block.first);
    T* out = out_ + i * view_.row;
    for (std::size_t h = 0; h < block.count; ++h) {
      const Span span = view_.span(block.first + h);
      const T inverse = T{1} / scratch.softmax.sum[h];
      scale_row(inverse, span, out);
      if (correction_ == nullptr)
        continue;
      T* correction = correction_ + i * view_.row;
      const T share = -scratch.positive_sum[h] * inverse;
      const T* const rows[1] = {out};
      scale_row(inverse, span, correction);
      add_rows<1>(&share, rows, span, correction);
    }
  }

  View<T> view_;
  const T* value_;
  T* out_;
  T* logsumexp_;
  T* correction_;
};

template <class T>
void run_typed(const AttentionForwardArgs& args, const void* value) {
  const GatForward<T> pass(args, value);
  const RowPieces pieces(args.in.graph->in.indptr.data(), args.in.rows);
  parallel_pieces(pieces.count(), [&](std::int64_t p) { pass.run(pieces.piece(p)); });
}

}  // namespace

void gat_forward_target(const AttentionForwardArgs& args, const void* value) {
  args.in.dtype == KernelType::kFloat32 ? run_typed<float>(args, value)
                                        : run_typed<double>(args, value);
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(gat_forward_target);

void gat_forward(const AttentionForwardArgs& args, const void* value) {
  HWY_DYNAMIC_DISPATCH(gat_forward_target)(args, value);
}

}  // namespace regatta::cpu
#endif
