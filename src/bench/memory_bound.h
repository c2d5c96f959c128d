// What this machine's memory gives: bytes per second of copying and of gathering rows.
#pragma once

#include <cstdint>
#include <span>

namespace regatta {

struct MemoryBound {
  double copy_rate = 0;     ///< bytes read plus bytes written, per second
  double gather_rate = 0;   ///< bytes of gathered rows, per second
  double blocked_rate = 0;  ///< the same by column tiles, their packing counted; 0: not measured
  std::int64_t tile_bytes = 0;  ///< width of the fastest tile; 0: not measured
};

/// A copy of `copy_bytes`, and a gather of `row_bytes` rows (rounded up to a multiple of 4) of a
/// table with `nodes` rows in the order of `index`; the best of a few runs on compute_threads()
/// threads.
///
/// The blocked gather cuts the table into tiles of 64, 128, ... bytes a row, packs each tile and
/// gathers from the copy, which stays in cache: widths whose tiles take at most seven eighths of
/// the third-level cache, or 13 MiB, are tried, the fastest counts. It is not measured where the
/// whole table takes 13 MiB or less. Rows are asked for 8, 32 or 96 ahead, the fastest counts too.
/// Adds up 32-bit words, so no value depends on the order.
MemoryBound measure_memory_bound(std::int64_t copy_bytes,
                                 std::int64_t nodes,
                                 std::int64_t row_bytes,
                                 std::span<const std::int32_t> index);

/// Bytes per second of copying `bytes` alone.
double measure_copy_rate(std::int64_t bytes);

}  // namespace regatta
