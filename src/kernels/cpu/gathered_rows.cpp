// By the processor's own vectors: GCC takes wider ones through the stack, and adding would take
// longer than fetching.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/gathered_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "kernels/cpu/gathered_rows.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kWordsOfLine = 64 / sizeof(std::uint32_t);
using D = hn::CappedTag<std::uint32_t, kWordsOfLine>;
constexpr std::size_t kLanes = hn::MaxLanes(D());
constexpr std::size_t kVectors = kWordsOfLine / kLanes;

/// Rows of kLines lines, or of rows.words words where that is 0.
template <std::size_t kLines>
struct RowSum {
  const GatheredRows rows;
  hn::Vec<D> sums[kVectors];
  std::uint32_t rest = 0;

  HWY_INLINE explicit RowSum(const GatheredRows& of) : rows(of) {
    for (auto& sum : sums) sum = hn::Zero(D());
  }
  HWY_INLINE std::size_t words() const { return kLines > 0 ? kLines * kWordsOfLine : rows.words; }
  HWY_INLINE const std::uint32_t* row(std::int64_t e) const {
    return rows.data + static_cast<std::size_t>(rows.index[static_cast<std::size_t>(e)]) * words();
  }
  HWY_INLINE void ask(std::int64_t e) const {
    const std::uint32_t* at = row(e);
    for (std::size_t k = 0; k < words(); k += kWordsOfLine) __builtin_prefetch(at + k);
  }
  HWY_INLINE void add(std::int64_t e) {
    const std::uint32_t* at = row(e);
    std::size_t k = 0;
    for (; k + kWordsOfLine <= words(); k += kWordsOfLine)
      for (std::size_t v = 0; v < kVectors; ++v)
        sums[v] = hn::Add(sums[v], hn::LoadU(D(), at + k + v * kLanes));
    for (; k < words(); ++k) rest += at[k];
  }
  HWY_INLINE std::uint32_t total() {
    for (const auto& sum : sums) rest += hn::GetLane(hn::SumOfLanes(D(), sum));
    return rest;
  }
};

template <std::size_t kLines>
std::uint32_t sum_rows(const GatheredRows& of, std::int64_t begin, std::int64_t end) {
  RowSum<kLines> sum(of);
  const std::int64_t asking = std::max(begin, end - sum.rows.ahead);
  std::int64_t e = begin;
  for (; e < asking; ++e) {
    sum.ask(e + sum.rows.ahead);
    sum.add(e);
  }
  for (; e < end; ++e) sum.add(e);
  return sum.total();
}

}  // namespace

std::uint32_t sum_gathered_rows_target(const GatheredRows& rows,
                                       std::int64_t begin,
                                       std::int64_t end) {
  switch (rows.words) {
    case kWordsOfLine:
      return sum_rows<1>(rows, begin, end);
    case 2 * kWordsOfLine:
      return sum_rows<2>(rows, begin, end);
    case 4 * kWordsOfLine:
      return sum_rows<4>(rows, begin, end);
    case 8 * kWordsOfLine:
      return sum_rows<8>(rows, begin, end);
    case 16 * kWordsOfLine:
      return sum_rows<16>(rows, begin, end);
    default:
      return sum_rows<0>(rows, begin, end);
  }
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(sum_gathered_rows_target);

std::uint32_t sum_gathered_rows(const GatheredRows& rows, std::int64_t begin, std::int64_t end) {
  return HWY_DYNAMIC_DISPATCH(sum_gathered_rows_target)(rows, begin, end);
}

}  // namespace regatta::cpu
#endif
