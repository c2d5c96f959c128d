// The values of a group's heads as one short vector. Per-target header of Highway.
#if defined(REGATTA_KERNELS_CPU_HEAD_VALUES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_HEAD_VALUES_INL_H_
#undef REGATTA_KERNELS_CPU_HEAD_VALUES_INL_H_
#else
#define REGATTA_KERNELS_CPU_HEAD_VALUES_INL_H_
#endif

#include "kernels/cpu/kept_edges.h"
#include "kernels/cpu/storage_lanes-inl.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// kHeads values: lanes of a register where the target has as many, else an array.
template <class W, std::size_t kHeads, bool kRegister = (hn::MaxLanes(BlockTag<W>()) >= kHeads)>
struct HeadValues;

template <class W, std::size_t kHeads>
struct HeadValues<W, kHeads, true> {
  static constexpr bool kInRegister = true;
  using D = hn::FixedTag<W, kHeads>;
  hn::Vec<D> lanes;

  static HWY_INLINE HeadValues load(const W* from) { return {hn::LoadU(D(), from)}; }
  static HWY_INLINE HeadValues all(W value) { return {hn::Set(D(), value)}; }
  HWY_INLINE void store(W* to) const { hn::StoreU(lanes, D(), to); }
  HWY_INLINE HeadValues plus(const HeadValues& b) const { return {hn::Add(lanes, b.lanes)}; }
  HWY_INLINE HeadValues minus(const HeadValues& b) const { return {hn::Sub(lanes, b.lanes)}; }
  HWY_INLINE HeadValues times(const HeadValues& b) const { return {hn::Mul(lanes, b.lanes)}; }
  HWY_INLINE HeadValues over(const HeadValues& b) const { return {hn::Div(lanes, b.lanes)}; }
  HWY_INLINE HeadValues larger(const HeadValues& b) const { return {hn::Max(lanes, b.lanes)}; }
  /// Where u > 0 itself, else `other`.
  HWY_INLINE HeadValues where_positive(const HeadValues& u, const HeadValues& other) const {
    return {hn::IfThenElse(hn::Gt(u.lanes, hn::Zero(D())), lanes, other.lanes)};
  }
};

template <class W, std::size_t kHeads>
struct HeadValues<W, kHeads, false> {
  static constexpr bool kInRegister = false;
  W lanes[kHeads];

  static HeadValues load(const W* from) {
    HeadValues values;
    std::copy_n(from, kHeads, values.lanes);
    return values;
  }
  static HeadValues all(W value) {
    HeadValues values;
    std::fill_n(values.lanes, kHeads, value);
    return values;
  }
  void store(W* to) const { std::copy_n(lanes, kHeads, to); }
  template <class Operation>
  HeadValues with(const HeadValues& b, const Operation& operation) const {
    HeadValues values;
    for (std::size_t h = 0; h < kHeads; ++h) values.lanes[h] = operation(lanes[h], b.lanes[h]);
    return values;
  }
  HeadValues plus(const HeadValues& b) const {
    return with(b, [](W x, W y) { return x + y; });
  }
  HeadValues minus(const HeadValues& b) const {
    return with(b, [](W x, W y) { return x - y; });
  }
  HeadValues times(const HeadValues& b) const {
    return with(b, [](W x, W y) { return x * y; });
  }
  HeadValues over(const HeadValues& b) const {
    return with(b, [](W x, W y) { return x / y; });
  }
  HeadValues larger(const HeadValues& b) const {
    return with(b, [](W x, W y) { return std::max(x, y); });
  }
  HeadValues where_positive(const HeadValues& u, const HeadValues& other) const {
    HeadValues values;
    for (std::size_t h = 0; h < kHeads; ++h)
      values.lanes[h] = u.lanes[h] > 0 ? lanes[h] : other.lanes[h];
    return values;
  }
};

/// The first `count` values, 0 beyond, no byte past them.
template <class W, std::size_t kHeads>
HWY_INLINE HeadValues<W, kHeads> load_heads(const W* from, std::size_t count) {
  if (count == kHeads)
    return HeadValues<W, kHeads>::load(from);
  W held[kHeads] = {};
  for (std::size_t h = 0; h < std::min(kHeads, count); ++h) held[h] = from[h];
  return HeadValues<W, kHeads>::load(held);
}

#if HWY_TARGET != HWY_SCALAR
/// Eight heads from two quads.
template <class W>
HWY_INLINE HeadValues<W, 2 * kQuadHeads, true> join_quads(const W* low, const W* high) {
  using Heads = HeadValues<W, 2 * kQuadHeads, true>;
  const hn::FixedTag<W, kQuadHeads> quad;
  return {hn::Combine(typename Heads::D(), hn::LoadU(quad, high), hn::LoadU(quad, low))};
}
#endif

/// m of an edge.
template <class W, std::size_t kHeads>
HWY_INLINE HeadValues<W, kHeads> kept_heads(const KeptFactors<W>& kept, std::size_t edge) {
  using Heads = HeadValues<W, kHeads>;
  if constexpr (kHeads <= kQuadHeads)
    return Heads::load(kept.of(edge));
#if HWY_TARGET != HWY_SCALAR
  if constexpr (kHeads == 2 * kQuadHeads && Heads::kInRegister)
    return join_quads(kept.of(edge, 0), kept.of(edge, 1));
#endif
  W held[std::max(kHeads, kQuadHeads)];
  kept.copy(edge, held);
  return Heads::load(held);
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
