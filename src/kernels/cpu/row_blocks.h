// How weight gradients cut their rows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace regatta::cpu {

// Rows of a block, rows of a run within it, and the most partial sums kept.
inline constexpr std::int64_t kBlockRows = 512;
inline constexpr std::size_t kRunRows = 128;
inline constexpr std::int64_t kMaxPartials = 64;

/// By their number alone: at most kMaxPartials multiples of kBlockRows.
struct RowBlocks {
  explicit RowBlocks(std::int64_t all) : rows(all) {
    const std::int64_t blocks = (all + kBlockRows - 1) / kBlockRows;
    each = kBlockRows * std::max<std::int64_t>(1, (blocks + kMaxPartials - 1) / kMaxPartials);
    count = (all + each - 1) / each;
  }
  std::int64_t rows, each, count;
};

}  // namespace regatta::cpu
