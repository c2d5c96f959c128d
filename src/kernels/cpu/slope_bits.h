// The side of LeakyReLU's kink on which each u of gatv2 lies: a bit for each edge and column of a
// group of heads, 1 where u > 0.
//
// The forward's u is found again by the products that begin a backward. With these bits nothing
// after them needs u: sums of LeakyReLU'(u) by row and by source read 8 bytes an edge for 64
// columns where they fetched a row of either table.
#pragma once

#include "kernels/cpu/column_tiles.h"
#include "kernels/storage_types.h"

#include <cstddef>
#include <cstdint>

namespace regatta::cpu {

/// Bits of edges; those of a tile begin at a byte of their own. What follows the last may be read.
struct SlopeBits {
  std::uint8_t* base = nullptr;
  std::size_t stride = 0;  ///< bytes an edge

  /// Bytes an edge for columns [begin, end) of the table.
  static std::size_t bytes(const TableShape& table) {
    const std::size_t block = 64 / working_bytes(table.dtype);
    return (table.end - table.begin + block - 1) / block * (block / 8);
  }

  /// Of edge 0 from a tile on, `before` columns from the group's first.
  std::uint8_t* tile(std::size_t before) const {
    return base == nullptr ? nullptr : base + before / 8;
  }
};

}  // namespace regatta::cpu
