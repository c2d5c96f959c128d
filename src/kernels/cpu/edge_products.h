// p_e = <a_i, row_j> for each in-edge of every row, by packed column tiles.
#pragma once

#include "kernels/cpu/column_tiles.h"

namespace regatta::cpu {

struct EdgeProducts {
  const AttentionInputs* in = nullptr;  ///< rows and graph
  HeadGroup group;
  const void* fixed = nullptr;  ///< a [R, row] of the storage type
  std::size_t row = 0;          ///< elements of a row of `fixed`
  TileRows table;
  ColumnTile tile;
  std::size_t width = 0;  ///< D: column c belongs to head c / D
  void* product =
      nullptr;  ///< working type [E,stride]: added to, so tiles of one head follow each other
};

void edge_products(const EdgeProducts& pass);

}  // namespace regatta::cpu
