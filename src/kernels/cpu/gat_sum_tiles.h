// How gat's sums over rows go: a tile of all rows at a time, or a few items at a time.
#pragma once

#include "kernels/cpu/column_tiles.h"
#include "kernels/cpu/edge_pieces.h"

#include <cstddef>
#include <vector>

namespace regatta::cpu {

/// Tiles of the columns of `table` for sums, which have the same bits every way, so the machine may
/// decide (docs/decisions/0009-cpu-attention.md).
struct GatSumTiles {
  /// `lists`: no fewer edges than the sums go over.
  GatSumTiles(const AttentionInputs& in, const TableShape& table, const EdgeLists& lists);

  /// Nothing is packed: rows are read where they lie, all tiles of a block of items before the next
  /// block.
  bool in_place;
  std::vector<ColumnTile> tiles;
  std::size_t packed_bytes;  ///< memory for the widest tile; 0: none is packed
  std::size_t row_bytes;     ///< of all tiles
};

}  // namespace regatta::cpu
