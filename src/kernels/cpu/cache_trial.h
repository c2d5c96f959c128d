// What a cache that others use too still holds: found by trying.
#pragma once

#include <cstddef>

namespace regatta::cpu {

/// A table that any third level has room for, and no second level.
inline constexpr std::size_t kSmallTable = std::size_t{8} << 20;

/// Random rows of a table of so many bytes, fetched a second by all compute threads, over those of
/// a table of kSmallTable. Median of five rounds, 20 to 40 ms for 25 MB. 0 where memory for the
/// table is refused.
double rate_beside_small(std::size_t bytes);

}  // namespace regatta::cpu
