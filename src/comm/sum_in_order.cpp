#include "comm/sum_in_order.h"

#include "core/error.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace regatta {
namespace {

template <class Value>
void add(std::byte* to, const std::vector<const std::byte*>& from, std::int64_t bytes) {
  const auto values = [](const std::byte* at) { return reinterpret_cast<const Value*>(at); };
  auto* into = reinterpret_cast<Value*>(to);
  const auto count = bytes / static_cast<std::int64_t>(sizeof(Value));
  if (from.size() == 1) {
    if (to != from[0])
      std::memcpy(to, from[0], static_cast<std::size_t>(bytes));
    return;
  }
  if (from.size() == 2) {
    const Value *first = values(from[0]), *second = values(from[1]);
#pragma GCC ivdep  // an element depends on those at its own place alone
    for (std::int64_t k = 0; k < count; ++k) into[k] = first[k] + second[k];
    return;
  }
  // Blocks that stay in the first cache; what `to` holds is read before it is overwritten.
  constexpr std::int64_t kBlock = 8192 / sizeof(Value);
  std::array<Value, kBlock> sum;
  for (std::int64_t start = 0; start < count; start += kBlock) {
    const auto length = static_cast<std::size_t>(std::min(kBlock, count - start));
    const Value *first = values(from[0]) + start, *second = values(from[1]) + start;
    for (std::size_t k = 0; k < length; ++k) sum[k] = first[k] + second[k];
    for (std::size_t r = 2; r < from.size(); ++r) {
      const Value* more = values(from[r]) + start;
      for (std::size_t k = 0; k < length; ++k) sum[k] += more[k];
    }
    std::memcpy(into + start, sum.data(), length * sizeof(Value));
  }
}

}  // namespace

void sum_in_order(ReduceType type,
                  std::byte* to,
                  const std::vector<const std::byte*>& from,
                  std::int64_t bytes) {
  switch (type) {
    case ReduceType::kInt64:
      return add<std::uint64_t>(to, from, bytes);  // wraps as MPI's sum does, without a fault
    case ReduceType::kFloat32:
      return add<float>(to, from, bytes);
    case ReduceType::kFloat64:
      return add<double>(to, from, bytes);
    case ReduceType::kByte:
      break;
  }
  fail(ExitCode::kInternal, "sum of bytes");
}

}  // namespace regatta
