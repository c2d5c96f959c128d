// What every pass over edges does at least, to measure how fast rows come: it fetches the rows that
// edges name, by the vectors that the kernels use on this processor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace regatta::cpu {

/// Rows of `words` words, and the row that each edge names.
struct GatheredRows {
  const std::uint32_t* data;
  std::size_t words;
  std::span<const std::int32_t> index;
  std::int64_t ahead = 0;  ///< rows are asked for so many edges ahead
};

/// Of all words of the rows of edges [begin, end), modulo 2^32, so the same in any order.
std::uint32_t sum_gathered_rows(const GatheredRows& rows, std::int64_t begin, std::int64_t end);

}  // namespace regatta::cpu
