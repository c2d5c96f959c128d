// The gradient of the softmax.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/edge_gradients.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "kernels/cpu/edge_softmax.h"
#include "kernels/cpu/edge_values-inl.h"
#include "kernels/prepared_graph.h"
#include "kernels/storage_types.h"

#include <hwy/contrib/math/math-inl.h>

#include <algorithm>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

template <class W>
class Gradients {
  using D = BlockTag<W>;
  using V = hn::Vec<D>;

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
        logit_(static_cast<W*>(pass.logit)),
        product_(static_cast<const W*>(pass.product)),
        record_(static_cast<W*>(pass.record)),
        record_stride_(pass.record_bytes / sizeof(W)) {}

  void run(const EdgePieces& pieces) const {
    if (terms_.query_values() > 0)
      sum_edges<W>(pieces, terms_.query_values(), adding_query(), storing_query());
    else
      pieces.run([&](const EdgePiece& piece) { run_items(piece); });
  }

  /// Or a hub's part, without edge queries.
  void run_items(const EdgePiece& piece) const {
    if (terms_.query_values() > 0)
      return sum_items<W>(piece, terms_.query_values(), adding_query(), storing_query());
    if (!terms_.any())
      return together(piece, scale_);
    for_items(piece, [&](std::int64_t i, std::int64_t begin, std::int64_t end) {
      adding_query()(i, begin, end, nullptr);
    });
  }

 private:
  /// Values of edges at a time.
  static constexpr std::size_t kValues = 512;

  /// L and Delta of each edge's row. Whole blocks are stored for each row, the next row's over what
  /// is beyond its edges.
  struct RowValues {
    alignas(64) W logsumexp[kValues + kBlockValues<W>];
    alignas(64) W delta[kValues + kBlockValues<W>];

    HWY_INLINE void fill(std::size_t at,
                         std::size_t end,
                         const LaneBlock<W>& of_row,
                         const LaneBlock<W>& delta_of_row) {
      const BlockVectors<W> l = of_row.vectors(), through = delta_of_row.vectors();
      for (; at < end; at += kBlockValues<W>)
        for (std::size_t v = 0; v < l.kVectors; ++v) {
          hn::StoreU(l.vector[v], D(), logsumexp + at + v * l.kLanes);
          hn::StoreU(through.vector[v], D(), delta + at + v * l.kLanes);
        }
    }
  };

  auto adding_query() const {
    return [this](std::int64_t i, std::int64_t begin, std::int64_t end, W* query_sums) {
      with_terms(i, begin, end, query_sums);
    };
  }
  auto storing_query() const {
    return [this](std::int64_t i, const W* query_sums) {
      terms_.store_query(
          static_cast<std::size_t>(i), query_sums, static_cast<W*>(args_.grad_edge_query));
    };
  }

  /// Records of logits that are products times `scale`. Edges of several rows fill vectors
  /// together.
  void together(const EdgePiece& piece, W scale) const {
    const std::size_t most = kValues / group_.stride;
    RowValues rows;
    LaneBlock<W> logsumexp;
    LaneBlock<W> delta;
    auto first = static_cast<std::size_t>(*piece.begin);
    std::size_t edges = 0;
    for (std::int64_t i = piece.items.begin; i < piece.items.end; ++i) {
      const std::int64_t k = i - piece.items.begin;
      row_scalars(static_cast<std::size_t>(i), logsumexp, delta);
      for (auto left = static_cast<std::size_t>(piece.end[k] - piece.begin[k]); left > 0;) {
        const std::size_t count = std::min(left, most - edges);
        rows.fill(edges * group_.stride, (edges + count) * group_.stride, logsumexp, delta);
        left -= count;
        edges += count;
        if (edges < most)
          continue;
        weigh(first, edges, rows, scale);
        first += edges;
        edges = 0;
      }
    }
    weigh(first, edges, rows, scale);
  }

  void weigh(std::size_t first, std::size_t edges, const RowValues& rows, W scale) const {
    const W* logit = logit_ + first * group_.stride;
    LaneBlock<W> factor;
    factor.set(1);
    for_edge_values<W>(
        edges * group_.stride,
        [&](auto d, std::size_t at, std::size_t lane, std::size_t count) HWY_ATTR {
          const auto e = hn::Mul(load_values(d, logit + at, count), hn::Set(d, scale));
          const auto alpha = hn::Exp(d, hn::Sub(e, hn::Load(d, rows.logsumexp + at)));
          const auto delta = hn::Mul(alpha, hn::Load(d, rows.delta + at));
          const auto weight = hn::Mul(alpha, factors(d, first, at, lane, count, factor));
          const auto p = load_values(d, product_ + first * group_.stride + at, count);
          store_record(weight,
                       hn::Mul(hn::MulSub(weight, p, delta), hn::Set(d, scale)),
                       first * group_.stride + at,
                       count);
        });
  }

  /// m of the values from `at` on, of which a block is filled at its first lane.
  HWY_INLINE V factors(D d,
                       std::size_t first,
                       std::size_t at,
                       std::size_t lane,
                       std::size_t count,
                       LaneBlock<W>& factor) const {
    if (kept_.active() && lane == 0)
      fill_factors(kept_, first + at / group_.stride, count / group_.stride, factor);
    return hn::Load(d, factor.lane + lane);
  }

  /// Of the edges whose values start at value `at` of all.
  HWY_INLINE void store_record(V weight, V gradient, std::size_t at, std::size_t count) const {
    const D d;
    constexpr std::size_t kLanes = hn::MaxLanes(D());
    const std::size_t stride = group_.stride;
    if (stride == 1 && record_stride_ == 2 && count >= kLanes)
      return hn::StoreInterleaved2(weight, gradient, d, record_ + 2 * at);
    W* to = record_ + at / stride * record_stride_;
    const std::size_t values = std::min(count, kLanes);
    if (stride == 1) {
      alignas(64) W both[2 * kLanes];
      hn::StoreInterleaved2(weight, gradient, d, both);
      for (std::size_t v = 0; v < values; ++v, to += record_stride_)
        std::memcpy(to, both + 2 * v, 2 * sizeof(W));
      return;
    }
    alignas(64) W weights[kLanes];
    alignas(64) W gradients[kLanes];
    hn::Store(weight, d, weights);
    hn::Store(gradient, d, gradients);
    const std::size_t head = at % stride;  // 0 but where a vector holds less than an edge
    for (std::size_t v = 0; v < values; ++v) {
      W* record = to + (head + v) / stride * record_stride_ + (head + v) % stride;
      record[0] = weights[v];
      record[stride] = gradients[v];
    }
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

  /// A row whose logits have terms of the edges.
  void with_terms(std::int64_t i, std::int64_t begin, std::int64_t end, W* query_sums) const {
    const auto first = static_cast<std::size_t>(begin), last = static_cast<std::size_t>(end);
    W* logit = logit_ + first * group_.stride;
    for_edge_values<W>(
        (last - first) * group_.stride,
        [&](auto d, std::size_t at, std::size_t, std::size_t count) HWY_ATTR {
          store_values(
              hn::Mul(load_values(d, logit + at, count), hn::Set(d, scale_)), d, logit + at, count);
        });
    terms_.add(static_cast<std::size_t>(i), first, last, logit);
    together({{i, i + 1}, &begin, &end}, 1);
    W* gradient = record_ + first * record_stride_ + group_.stride;
    terms_.store(
        first, last, gradient, record_stride_, static_cast<W*>(args_.grad_edge_logit), query_sums);
    for (std::size_t e = first; e < last; ++e, gradient += record_stride_)
      for (std::size_t h = 0; h < group_.stride; ++h) gradient[h] *= scale_;
  }

  const AttentionBackwardArgs& args_;
  HeadGroup group_;
  std::size_t logit_heads_;
  std::size_t shared_;  ///< heads of messages for each of the logits
  W scale_;
  RowTerms<W> terms_;
  KeptFactors<W> kept_;
  const W* delta_;
  W* logit_;
  const W* product_;
  W* record_;
  std::size_t record_stride_;
};

}  // namespace

std::unique_ptr<EdgePass> edge_gradients_target(const EdgeGradients& pass) {
  std::unique_ptr<EdgePass> made;
  with_working(pass.args->in.dtype, [&]<class W>(W) {
    made = std::make_unique<EdgePassOf<EdgeGradients, Gradients<W>>>(pass);
  });
  return made;
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(edge_gradients_target);

std::unique_ptr<EdgePass> edge_gradients_pass(const EdgeGradients& pass) {
  return HWY_DYNAMIC_DISPATCH(edge_gradients_target)(pass);
}

}  // namespace regatta::cpu
#endif
