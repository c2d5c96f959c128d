// Random words of dropout by Philox4x32-10 in vector lanes; they equal those of core's
// random_words. Per-target header of Highway. Source: Salmon et al., "Parallel random numbers: as
// easy as 1, 2, 3", 2011.
#if defined(REGATTA_KERNELS_CPU_DROPOUT_FACTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_DROPOUT_FACTORS_INL_H_
#undef REGATTA_KERNELS_CPU_DROPOUT_FACTORS_INL_H_
#else
#define REGATTA_KERNELS_CPU_DROPOUT_FACTORS_INL_H_
#endif

#include "core/rng.h"
#include "kernels/attention.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Edges or entries treated at a time.
inline constexpr std::size_t kChunk = 64;

template <class T>
struct DropoutPlan {
  explicit DropoutPlan(const DropoutArgs& args)
      : active(args.probability > 0),
        key(args.key_now().value),
        threshold(dropout_threshold(args.probability)),
        scale(static_cast<T>(1 / (1 - args.probability))) {}

  bool active;
  std::uint64_t key;
  std::uint32_t threshold;
  T scale;
};

/// Four words of one counter in each 64-bit lane; only the low halves count.
template <class D>
struct PhiloxState {
  hn::Vec<D> c0, c1, c2, c3;
};

/// 64-bit product of the low half of every lane and `factor`.
template <class D>
HWY_INLINE hn::Vec<D> multiply_low(D d, hn::Vec<D> value, std::uint64_t factor) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(d, (hn::GetLane(value) & 0xFFFFFFFFU) * factor);
#else
  const hn::Repartition<std::uint32_t, D> d32;
  return hn::MulEven(hn::BitCast(d32, value), hn::BitCast(d32, hn::Set(d, factor)));
#endif
}

template <class D>
HWY_INLINE PhiloxState<D> philox_round(D d,
                                       const PhiloxState<D>& c,
                                       std::uint64_t k0,
                                       std::uint64_t k1) {
  const auto product0 = multiply_low(d, c.c0, 0xD2511F53U);
  const auto product1 = multiply_low(d, c.c2, 0xCD9E8D57U);
  PhiloxState<D> next;
  next.c0 = hn::Xor3(hn::ShiftRight<32>(product1), c.c1, hn::Set(d, k0));
  next.c1 = product1;  // the high half is never looked at
  next.c2 = hn::Xor3(hn::ShiftRight<32>(product0), c.c3, hn::Set(d, k1));
  next.c3 = product0;
  return next;
}

template <class D>
HWY_INLINE PhiloxState<D> philox(D d, std::uint64_t key, hn::Vec<D> id, hn::Vec<D> group) {
  PhiloxState<D> state{id, hn::ShiftRight<32>(id), group, hn::ShiftRight<32>(group)};
  auto k0 = static_cast<std::uint32_t>(key);
  auto k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    state = philox_round(d, state, k0, k1);
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  return state;
}

/// Where the random word in the low half of an element lies below the threshold of dropout.
template <class D>
HWY_INLINE hn::Mask<D> dropped(D d, hn::Vec<D> words, std::uint32_t threshold) {
  const hn::RebindToSigned<D> di;
  const auto word = hn::BitCast(di, hn::And(words, hn::Set(d, std::uint64_t{0xFFFFFFFFU})));
  // Both sides lie below 2^32, so the signed comparison is right.
  return hn::RebindMask(d, hn::Lt(word, hn::Set(di, static_cast<std::int64_t>(threshold))));
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
