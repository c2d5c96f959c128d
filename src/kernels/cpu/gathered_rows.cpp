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

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kWordsOfLine = 64 / sizeof(std::uint32_t);
using D = hn::CappedTag<std::uint32_t, kWordsOfLine>;
constexpr std::size_t kLanes = hn::MaxLanes(D());
constexpr std::size_t kVectors = kWordsOfLine / kLanes;

}  // namespace

std::uint32_t sum_gathered_rows_target(const GatheredRows& rows,
                                       std::int64_t begin,
                                       std::int64_t end) {
  const D d;
  hn::Vec<D> sums[kVectors];
  for (auto& sum : sums) sum = hn::Zero(d);
  std::uint32_t rest = 0;
  for (std::int64_t e = begin; e < end; ++e) {
    if (e + rows.ahead < end)
      for (std::size_t k = 0; k < rows.words; k += kWordsOfLine)
        __builtin_prefetch(rows.row(e + rows.ahead) + k);
    const std::uint32_t* row = rows.row(e);
    std::size_t k = 0;
    for (; k + kWordsOfLine <= rows.words; k += kWordsOfLine) {
      HWY_UNROLL(16)
      for (std::size_t v = 0; v < kVectors; ++v)
        sums[v] = hn::Add(sums[v], hn::LoadU(d, row + k + v * kLanes));
    }
    for (; k < rows.words; ++k) rest += row[k];
  }
  for (const auto& sum : sums) rest += hn::GetLane(hn::SumOfLanes(d, sum));
  return rest;
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
