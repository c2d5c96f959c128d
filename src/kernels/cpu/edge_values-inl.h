// Values of a row's edges, [edges, stride] without gaps, in blocks of 64 bytes whose lanes belong
// to the same heads. Per-target header of Highway.
#if defined(REGATTA_KERNELS_CPU_EDGE_VALUES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_EDGE_VALUES_INL_H_
#undef REGATTA_KERNELS_CPU_EDGE_VALUES_INL_H_
#else
#define REGATTA_KERNELS_CPU_EDGE_VALUES_INL_H_
#endif

#include "kernels/attention.h"
#include "kernels/cpu/column_tiles.h"
#include "kernels/cpu/kept_edges.h"
#include "kernels/cpu/lane_blocks-inl.h"
#include "kernels/cpu/storage_lanes-inl.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// body(d, at, lane, count) for the vectors of `values` values: `at` is the first value, `lane` its
/// place in a block, `count` how many the row still has.
template <class W, class Body>
HWY_INLINE void for_edge_values(std::size_t values, const Body& body) {
  const BlockTag<W> d;
  for (std::size_t at = 0; at < values; at += hn::Lanes(d))
    body(d, at, at % kBlockValues<W>, values - at);
}

template <class D, class W>
HWY_INLINE hn::Vec<D> load_values(D d, const W* from, std::size_t count) {
  return count >= hn::Lanes(d) ? hn::LoadU(d, from) : hn::MaskedLoad(hn::FirstN(d, count), d, from);
}
/// No byte more: the next row may be another thread's.
template <class D, class W>
HWY_INLINE void store_values(hn::Vec<D> value, D d, W* to, std::size_t count) {
  store_storage_n(value, d, to, count);
}

/// m of the block whose first edge is `edge`.
template <class W>
HWY_INLINE void fill_factors(const KeptFactors<W>& kept,
                             std::size_t edge,
                             std::size_t edges,
                             LaneBlock<W>& to) {
  const std::size_t count = std::min(edges, kBlockValues<W> / kept.stride);
  for (std::size_t e = 0; e < count; ++e)
    for (std::size_t h = 0; h < kept.stride; ++h)
      to.lane[e * kept.stride + h] = kept.of(edge + e)[h];
}

/// What the terms of edges add to the logits of a row, and their gradients.
template <class W>
class RowTerms {
 public:
  RowTerms(const AttentionInputs& in, const HeadGroup& group)
      : group_(group),
        heads_(static_cast<std::size_t>(in.logit_heads())),
        features_(in.edge.query == nullptr ? 0 : static_cast<std::size_t>(in.edge.features)),
        logit_(static_cast<const W*>(in.edge.logit)),
        query_(static_cast<const W*>(in.edge.query)),
        x_(static_cast<const W*>(in.edge.x)) {}

  bool any() const { return logit_ != nullptr || features_ > 0; }

  /// value[e,h] += term of edge begin + e.
  void add(std::size_t i, std::size_t begin, std::size_t end, W* value) const {
    for (std::size_t e = begin; e < end; ++e, value += group_.stride)
      for (std::size_t h = 0; h < group_.count; ++h) {
        if (logit_ != nullptr)
          value[h] += logit_[e * heads_ + group_.first + h];
        const W* query = query_ + (i * heads_ + group_.first + h) * features_;
        for (std::size_t f = 0; f < features_; ++f) value[h] += query[f] * x_[e * features_ + f];
      }
  }

  /// Values of a row's query for the heads of the group.
  std::size_t query_values() const { return group_.count * features_; }

  /// Stores the gradients of the logits, gradient[e * stride + h], and adds their products with x
  /// to query_gradient[h,f].
  void store(std::size_t begin,
             std::size_t end,
             const W* gradient,
             std::size_t stride,
             W* logit_gradient,
             W* query_gradient) const {
    for (std::size_t e = begin; e < end; ++e, gradient += stride)
      for (std::size_t h = 0; h < group_.count; ++h) {
        if (logit_gradient != nullptr)
          logit_gradient[e * heads_ + group_.first + h] = gradient[h];
        for (std::size_t f = 0; f < features_; ++f)
          query_gradient[h * features_ + f] += gradient[h] * x_[e * features_ + f];
      }
  }
  /// The row's gradient of the query, where it is wanted.
  void store_query(std::size_t i, const W* sums, W* query_gradient) const {
    if (query_gradient != nullptr)
      std::copy_n(sums, query_values(), query_gradient + (i * heads_ + group_.first) * features_);
  }

 private:
  HeadGroup group_;
  std::size_t heads_;  ///< of the logits
  std::size_t features_;
  const W* logit_;
  const W* query_;
  const W* x_;
};

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
