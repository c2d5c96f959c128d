// How much of a table this machine keeps near its cores.
#pragma once

#include <cstddef>
#include <cstdint>

namespace regatta::cpu {

/// Bytes of the third-level cache that the processors in use share, as the system tells; 0 where it
/// does not.
std::size_t third_level_cache_bytes();

/// Whether seven eighths of that cache hold tables of so many bytes, so that passes find most rows
/// there (docs/decisions/0009-cpu-attention.md). Others may use the cache too, so tables above 12
/// MB are tried, once a size: 10 to 30 ms for 16 to 28 MB, up to 300 beyond, and as much memory as
/// the table for as long. The same answer for a size as long as the process lives. Thread-safe, but
/// not from inside a parallel loop.
bool third_level_cache_holds(std::size_t bytes);

/// Whether it holds so many bytes beside as many that passes write: five eighths of it, at most 20
/// MB (docs/decisions/0009-cpu-attention.md). Never tried.
bool third_level_cache_has_room(std::size_t bytes);

/// Whether half of this rank's share of a third level (by its threads among all processors) holds
/// so many bytes; never on AMD's processors, where packed tiles were mostly faster
/// (docs/decisions/0009-cpu-attention.md).
bool large_third_level_cache_holds(std::size_t bytes);

/// How many edges ahead of the one in hand passes ask for rows, into the first-level cache: 48 on
/// AMD's processors, 24 on others (docs/decisions/0009-cpu-attention.md).
std::int64_t rows_ahead();
/// The same where a pass before left the rows in the second-level cache: 16 on AMD's processors,
/// elsewhere 0, not at all, since it was measured there alone.
std::int64_t near_rows_ahead();

/// For tests, before kernels run: another size, which is not tried. Only speed may depend on it.
void assume_third_level_cache(std::size_t bytes);

}  // namespace regatta::cpu
