// The random words of a chunk of counters in the order of the elements they decide on. Per-target
// header of Highway.
#if defined(REGATTA_KERNELS_CPU_COUNTER_WORDS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_COUNTER_WORDS_INL_H_
#undef REGATTA_KERNELS_CPU_COUNTER_WORDS_INL_H_
#else
#define REGATTA_KERNELS_CPU_COUNTER_WORDS_INL_H_
#endif

#include "kernels/cpu/dropout_factors-inl.h"

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Words of up to kChunk counters, four a counter, two in each element, the first in its low half.
struct CounterWords {
  alignas(64) std::uint64_t pair[2 * kChunk];

  std::uint32_t word(std::size_t counter, std::size_t w) const {
    return static_cast<std::uint32_t>(pair[2 * counter + w / 2] >> (32 * (w % 2)));
  }
};

/// The words of `count` counters, rounded up to a vector of them.
template <class CounterAt>
HWY_INLINE void counter_words(std::uint64_t key,
                              std::size_t count,
                              const CounterAt& counter_at,
                              CounterWords& words) {
  const hn::ScalableTag<std::uint64_t> d;
  const auto low_half = hn::Set(d, std::uint64_t{0xFFFFFFFFU});
  for (std::size_t k = 0; k < count; k += hn::Lanes(d)) {
    const auto [id, group] = counter_at(d, k);
    const auto state = philox(d, key, id, group);
    const auto first = hn::Or(hn::And(state.c0, low_half), hn::ShiftLeft<32>(state.c1));
    const auto second = hn::Or(hn::And(state.c2, low_half), hn::ShiftLeft<32>(state.c3));
    hn::StoreInterleaved2(first, second, d, words.pair + 2 * k);
  }
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
