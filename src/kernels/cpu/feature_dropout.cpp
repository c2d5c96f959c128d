// mask (.) x by rows.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/feature_dropout.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "core/error.h"
#include "core/parallel.h"
#include "kernels/cpu/counter_words-inl.h"
#include "kernels/feature_dropout.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

/// to = factors of the words times x, for `count` features.
void drop_part(const DropoutPlan<float>& plan,
               const CounterWords& words,
               const float* x,
               std::size_t count,
               float* to) {
  const hn::ScalableTag<float> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const auto* word = reinterpret_cast<const std::uint32_t*>(words.pair);
  const auto threshold = hn::Set(du, plan.threshold);
  const auto scale = hn::Set(d, plan.scale);
  std::size_t k = 0;
  for (; k + hn::Lanes(d) <= count; k += hn::Lanes(d)) {
    const auto w = hn::Load(du, word + k);
    const auto kept = hn::RebindMask(d, hn::Eq(hn::Max(w, threshold), w));
    hn::StoreU(hn::IfThenElseZero(kept, hn::Mul(scale, hn::LoadU(d, x + k))), d, to + k);
  }
  for (; k < count; ++k)
    to[k] = words.word(k / 4, k % 4) >= plan.threshold ? plan.scale * x[k] : 0.0F;
}

void drop_part(const DropoutPlan<double>& plan,
               const CounterWords& words,
               const double* x,
               std::size_t count,
               double* to) {
  for (std::size_t k = 0; k < count; ++k)
    to[k] = words.word(k / 4, k % 4) >= plan.threshold ? plan.scale * x[k] : 0.0;
}

template <class T>
void drop_row(const DropoutPlan<T>& plan, std::int64_t id, const T* x, std::size_t width, T* to) {
  CounterWords words;
  for (std::size_t first = 0; first < width; first += 4 * kChunk) {
    const std::size_t count = std::min(4 * kChunk, width - first);
    const auto counter_at = [&](auto d, std::size_t k) HWY_ATTR {
      return CounterVectors<decltype(d)>{hn::Set(d, static_cast<std::uint64_t>(id)),
                                         hn::Iota(d, static_cast<std::uint64_t>(first / 4 + k))};
    };
    counter_words(plan.key, (count + 3) / 4, counter_at, words);
    drop_part(plan, words, x + first, count, to + first);
  }
}

template <class T>
void drop_typed(const FeatureDropoutArgs& args) {
  // About as much work in a piece whatever the width.
  const std::int64_t rows_a_piece = std::max<std::int64_t>(1, 16384 / args.width);
  const DropoutPlan<T> plan(args.dropout);
  const auto* x = static_cast<const T*>(args.x);
  auto* out = static_cast<T*>(args.out);
  parallel_pieces((args.rows + rows_a_piece - 1) / rows_a_piece, [&](std::int64_t piece) {
    const std::int64_t end = std::min(args.rows, (piece + 1) * rows_a_piece);
    for (std::int64_t i = piece * rows_a_piece; i < end; ++i)
      drop_row(plan,
               args.global_id[i],
               x + i * args.width,
               static_cast<std::size_t>(args.width),
               out + i * args.width);
  });
}

}  // namespace

void drop_target(const FeatureDropoutArgs& args) {
  args.dtype == KernelType::kFloat32 ? drop_typed<float>(args) : drop_typed<double>(args);
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta {
namespace cpu {
namespace {
HWY_EXPORT(drop_target);
}
}  // namespace cpu

void feature_dropout(const FeatureDropoutArgs& args) {
  REGATTA_CHECK(args.dtype != KernelType::kBFloat16, "feature dropout is fp32 or fp64");
  if (args.rows == 0 || args.width == 0)
    return;
  REGATTA_CHECK(args.global_id != nullptr && args.x != nullptr && args.out != nullptr,
                "feature dropout without its arrays");
  HWY_DYNAMIC_DISPATCH(cpu::drop_target)(args);
}

}  // namespace regatta
#endif
