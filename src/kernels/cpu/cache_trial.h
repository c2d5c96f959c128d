// What a cache that others use too still holds: found by trying.
#pragma once

#include <cstddef>

namespace regatta::cpu {

/// How fast weighted sums go by one tile of so many bytes, of 256 a row, over how fast they go by
/// two tiles of half the width one after the other: above 1 where the cache holds the wide one well
/// enough. A random graph, all compute threads, median of five rounds: 10 to 30 ms for 16 to 28
/// MB, 130 to 300 for 100 MB. 0 where memory is refused.
double wide_beside_narrow(std::size_t bytes);

}  // namespace regatta::cpu
