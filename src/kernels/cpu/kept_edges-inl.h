// Bits of attention dropout for edges whose ids lie side by side. Per-target header of Highway.
#if defined(REGATTA_KERNELS_CPU_KEPT_EDGES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_KEPT_EDGES_INL_H_
#undef REGATTA_KERNELS_CPU_KEPT_EDGES_INL_H_
#else
#define REGATTA_KERNELS_CPU_KEPT_EDGES_INL_H_
#endif

#include "kernels/cpu/dropout_factors-inl.h"
#include "kernels/cpu/kept_edges.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// kept[k], bit w: whether the edge of id[k] survives for head 4 * quad + w.
template <class T>
HWY_INLINE void find_kept(const DropoutPlan<T>& plan,
                          const std::int64_t* id,
                          std::size_t count,
                          std::uint64_t quad,
                          std::uint8_t* kept) {
  const hn::ScalableTag<std::uint64_t> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  const auto bit = [&](hn::Vec<decltype(d)> words, std::uint64_t value) HWY_ATTR {
    return hn::IfThenZeroElse(dropped(d, words, plan.threshold), hn::Set(d, value));
  };
  for (std::size_t k = 0; k < count; k += hn::Lanes(d)) {
    alignas(64) std::int64_t tail[hn::MaxLanes(d)] = {};
    const bool whole = k + hn::Lanes(d) <= count;
    if (!whole)
      std::copy(id + k, id + count, tail);
    const auto ids = hn::BitCast(d, whole ? hn::LoadU(di, id + k) : hn::Load(di, tail));
    const auto words = philox(d, plan.key, ids, hn::Set(d, quad));
    const auto bits = hn::Or(hn::Or(bit(words.c0, 1), bit(words.c1, 2)),
                             hn::Or(bit(words.c2, 4), bit(words.c3, 8)));
    alignas(64) std::uint8_t bytes[hn::MaxLanes(d8)];
    hn::StoreU(hn::TruncateTo(d8, bits), d8, bytes);
    std::copy_n(bytes, std::min(hn::Lanes(d), count - k), kept + k);
  }
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
