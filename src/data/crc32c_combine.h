// CRC32C of a whole from the CRC32Cs of its parts, so that parts can be summed by several threads.
#pragma once

#include <cstdint>

namespace regatta {

/// CRC32C of A followed by B, from crc32c(A), crc32c(B) and B's length: crc(A) * x^(8 |B|) + crc(B)
/// over GF(2) modulo the Castagnoli polynomial. O(log |B|).
std::uint32_t crc32c_combine(std::uint32_t first, std::uint32_t second, std::uint64_t second_bytes);

}  // namespace regatta
