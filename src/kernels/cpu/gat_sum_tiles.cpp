#include "kernels/cpu/gat_sum_tiles.h"

#include "kernels/cpu/third_level_cache.h"
#include "kernels/storage_types.h"

namespace regatta::cpu {
namespace {

/// Hubs are summed in parts, a tile at a time.
bool stays_in_place(const AttentionInputs& in, const TableShape& table, const EdgeLists& lists) {
  return sums_may_go_wide(in) && packed_tile_bytes(table, true) > 0 && !has_hubs(lists) &&
         large_third_level_cache_holds(table.rows * table.row * storage_bytes(table.dtype));
}

}  // namespace

GatSumTiles::GatSumTiles(const AttentionInputs& in, const TableShape& table, const EdgeLists& lists)
    : in_place(stays_in_place(in, table, lists)),
      row_bytes((table.end - table.begin) * storage_bytes(table.dtype)) {
  const bool wide = in_place || sums_go_wide(in, table);
  tiles = sum_tiles(table, wide);
  packed_bytes = in_place ? 0 : packed_tile_bytes(table, wide);
  if (in_place)
    for (ColumnTile& tile : tiles) tile.packed = false;
  if (is_whole_table(tiles.front(), table))
    packed_bytes = 0;
}

}  // namespace regatta::cpu
