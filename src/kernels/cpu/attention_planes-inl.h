// Scalars of a chunk of edges, one plane of kChunk values a head, and the views the attention
// passes share. Per-target header of Highway.
#if defined(REGATTA_KERNELS_CPU_ATTENTION_PLANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_ATTENTION_PLANES_INL_H_
#undef REGATTA_KERNELS_CPU_ATTENTION_PLANES_INL_H_
#else
#define REGATTA_KERNELS_CPU_ATTENTION_PLANES_INL_H_
#endif

#include "kernels/attention.h"
#include "kernels/cpu/dropout_factors-inl.h"
#include "kernels/cpu/row_ops-inl.h"
#include "kernels/prepared_graph.h"

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Heads treated together; scratch for them fits the stack. A multiple of 4, the words of a
/// counter.
inline constexpr std::size_t kHeadBlock = 16;

/// One value per edge of the chunk and head of the block.
template <class T>
struct Planes {
  alignas(64) T value[kHeadBlock * kChunk] = {};
  T* head(std::size_t h) { return value + h * kChunk; }
};

struct HeadBlock {
  std::size_t first;
  std::size_t count;
};

/// The heads [first, first + count) in blocks; body(HeadBlock).
template <class Body>
HWY_INLINE void for_head_blocks(std::size_t heads, const Body& body) {
  for (std::size_t h = 0; h < heads; h += kHeadBlock)
    body(HeadBlock{h, std::min(kHeadBlock, heads - h)});
}

/// Typed view of the inputs, with sizes as std::size_t.
template <class T>
struct View {
  explicit View(const AttentionInputs& in)
      : rows(static_cast<std::size_t>(in.rows)),
        nodes(static_cast<std::size_t>(in.nodes)),
        heads(static_cast<std::size_t>(in.heads)),
        width(static_cast<std::size_t>(in.width)),
        row(heads * width),
        graph(*in.graph),
        z(static_cast<const T*>(in.value)),
        s(static_cast<const T*>(in.source_logit)),
        t(static_cast<const T*>(in.destination_logit)),
        slope(static_cast<T>(in.negative_slope)),
        scale(static_cast<T>(in.scale)),
        attention_dropout(in.attention_dropout),
        message_dropout(in.message_dropout),
        // Rows that stay in the second-level cache need no prefetch.
        prefetch(nodes * row * sizeof(T) > (std::size_t{1} << 20)) {}

  std::size_t rows, nodes, heads, width;
  std::size_t row;  ///< H*D
  const PreparedGraph& graph;
  const T* z;
  const T* s;
  const T* t;
  T slope, scale;
  DropoutPlan<T> attention_dropout;
  DropoutPlan<T> message_dropout;
  bool prefetch;

  Span span(std::size_t h) const { return {h * width, (h + 1) * width}; }
  Span span(HeadBlock block) const {
    return {block.first * width, (block.first + block.count) * width};
  }
};

/// m_ij of `count` edges for the heads of a block, from the edge ids in `counters`.
template <class T>
HWY_INLINE void edge_factors(const DropoutPlan<T>& plan,
                             HeadBlock block,
                             std::size_t count,
                             const Counters& counters,
                             Planes<T>& factors) {
  for (std::size_t h = 0; h < block.count; h += 4) {
    const auto counter_at = [&](auto d, std::size_t k) HWY_ATTR {
      return CounterVectors<decltype(d)>{
          hn::Load(d, counters.id + k),
          hn::Set(d, static_cast<std::uint64_t>((block.first + h) / 4))};
    };
    factor_planes(plan, count, counter_at, factors.head(h));
  }
}

/// Softmax state of a row, one value a head of the block.
template <class T>
struct SoftmaxState {
  alignas(64) T maximum[kHeadBlock];
  alignas(64) T sum[kHeadBlock];  ///< of exp(e - maximum)
};

/// L = maximum + log(sum) for `heads` heads.
template <class T>
HWY_INLINE void store_logsumexp(const SoftmaxState<T>& state, std::size_t heads, T* to) {
  const hn::CappedTag<T, kHeadBlock> d;
  alignas(64) T value[kHeadBlock];
  for (std::size_t h = 0; h < heads; h += hn::Lanes(d))
    hn::Store(hn::Add(hn::Load(d, state.maximum + h), hn::Log(d, hn::Load(d, state.sum + h))),
              d,
              value + h);
  std::copy_n(value, heads, to);
}

/// Gathers rows of `table` for kRows consecutive entries of an index list.
template <std::size_t kRows, class T>
struct Gathered {
  const T* row[kRows];
  HWY_INLINE Gathered(const T* table, std::size_t stride, const std::int32_t* index) {
    for (std::size_t q = 0; q < kRows; ++q)
      row[q] = table + static_cast<std::size_t>(index[q]) * stride;
  }
};

/// Edges a chunk may hold when its gathered rows of `bytes` are to stay in the first-level cache: 8
/// to kChunk.
HWY_INLINE std::size_t chunk_of_row(std::size_t bytes) {
  constexpr std::size_t kCacheBytes = 24 * 1024;
  return std::clamp(kCacheBytes / bytes / 8 * 8, std::size_t{8}, kChunk);
}

/// How many entries ahead rows are prefetched.
inline constexpr std::size_t kPrefetchAhead = 8;

/// Prefetches rows of entries [e + ahead, e + ahead + kRows) of a list that ends at `end`.
template <std::size_t kRows, class T>
HWY_INLINE void prefetch_rows(const View<T>& view,
                              const T* table,
                              const std::int32_t* at,
                              const std::int32_t* end) {
  if (!view.prefetch)
    return;
  for (std::size_t q = 0; q < kRows; ++q)
    if (at + kPrefetchAhead + q < end)
      prefetch_row(table + static_cast<std::size_t>(at[kPrefetchAhead + q]) * view.row, view.row);
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
