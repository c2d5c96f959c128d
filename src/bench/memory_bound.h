// What this machine's memory gives: bytes per second of copying and of gathering rows.
#pragma once

#include <cstdint>
#include <span>

namespace regatta {

struct MemoryBound {
  double copy_rate = 0;    ///< bytes read plus bytes written, per second
  double gather_rate = 0;  ///< bytes of gathered rows, per second
};

/// A copy of `copy_bytes`, and a gather of `row_bytes` rows (a multiple of 4) of a table with
/// `nodes` rows in the order of `index`; the best of a few runs on compute_threads() threads.
MemoryBound measure_memory_bound(std::int64_t copy_bytes,
                                 std::int64_t nodes,
                                 std::int64_t row_bytes,
                                 std::span<const std::int32_t> index);

}  // namespace regatta
