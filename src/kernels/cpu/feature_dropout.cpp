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
#include "kernels/cpu/kept_columns-inl.h"
#include "kernels/cpu/storage_lanes-inl.h"
#include "kernels/feature_dropout.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

constexpr std::int64_t kBlockRows = 64;

/// Columns [first, first + count) of a row, at most kBitColumns.
template <class T>
HWY_INLINE void drop_columns(
    const DropoutPlan<T>& plan, std::uint64_t bits, const T* x, std::size_t count, T* to) {
  const BlockTag<T> d;
  for (std::size_t k = 0; k < count; k += hn::Lanes(d)) {
    const auto value = hn::Mul(hn::Set(d, plan.scale), load_storage_n(d, x + k, count - k));
    store_storage_n(kept_lanes(d, bits, k, value), d, to + k, count - k);
  }
}

/// Rows [begin, end), at most kBlockRows.
template <class T>
void drop_rows(const FeatureDropoutArgs& args,
               const DropoutPlan<T>& plan,
               std::int64_t begin,
               std::int64_t end) {
  const auto rows = static_cast<std::size_t>(end - begin);
  const auto width = static_cast<std::size_t>(args.width);
  const T* x = static_cast<const T*>(args.x) + begin * args.width;
  T* out = static_cast<T*>(args.out) + begin * args.width;
  const auto words = static_cast<std::size_t>(KeptBits::message_words(args.width));
  std::uint64_t* kept =
      args.kept == nullptr ? nullptr : args.kept + static_cast<std::size_t>(begin) * words;
  std::uint64_t bits[kBlockRows];
  for (std::size_t first = 0; first < width; first += kBitColumns) {
    const std::size_t count = std::min(kBitColumns, width - first);
    if (args.known) {
      for (std::size_t r = 0; r < rows; ++r) bits[r] = kept[r * words + first / kBitColumns];
    } else {
      kept_columns(plan, args.global_id + begin, rows, first, count, bits);
      for (std::size_t r = 0; kept != nullptr && r < rows; ++r)
        kept[r * words + first / kBitColumns] = bits[r];
    }
    for (std::size_t r = 0; r < rows; ++r)
      drop_columns(plan, bits[r], x + r * width + first, count, out + r * width + first);
  }
}

template <class T>
void drop_typed(const FeatureDropoutArgs& args) {
  // About as much work in a piece whatever the width.
  const std::int64_t rows_a_piece =
      std::clamp<std::int64_t>(16384 / args.width / 8 * 8, 8, kBlockRows);
  const DropoutPlan<T> plan(args.dropout);
  parallel_pieces((args.rows + rows_a_piece - 1) / rows_a_piece, [&](std::int64_t piece) {
    const std::int64_t begin = piece * rows_a_piece;
    drop_rows(args, plan, begin, std::min(args.rows, begin + rows_a_piece));
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
  REGATTA_CHECK(!args.known || args.kept != nullptr, "feature dropout without the bits it knows");
  HWY_DYNAMIC_DISPATCH(cpu::drop_target)(args);
}

}  // namespace regatta
#endif
