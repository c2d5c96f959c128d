#include "kernels/cpu/compact_tables.h"

#include "core/error.h"
#include "kernels/storage_types.h"

#include <algorithm>

namespace regatta::cpu {
namespace {

/// All wanted columns as one tile.
ColumnTile whole_tile(const TableShape& table) {
  ColumnTile whole{table.begin, table.end - table.begin, 0, false};
  for (const ColumnTile& tile : column_tiles(table)) {
    whole.blocks += tile.blocks;
    whole.packed = tile.packed;
  }
  return whole;
}

}  // namespace

std::size_t CompactTables::bytes(const TableShape& table) {
  const ColumnTile whole = whole_tile(table);
  const std::size_t block = 64 / working_bytes(table.dtype) * storage_bytes(table.dtype);
  return whole.packed ? table.rows * whole.blocks * block : 0;
}

void CompactTables::hold(std::size_t slot, const TableShape& table, const void* rows) {
  Held& held = held_[slot];
  if (held.has(table, rows))
    return;
  held.rows = rows;
  held.count = table.rows;
  held.begin = table.begin;
  held.end = table.end;
  held.copy = pack_tile(table, whole_tile(table), rows, memory_ + slot * slot_bytes_);
}

TileRows CompactTables::tile(const TableShape& table,
                             const ColumnTile& tile,
                             const void* rows,
                             bool asks) const {
  const auto* held = std::ranges::find_if(held_, [&](const Held& h) { return h.has(table, rows); });
  REGATTA_CHECK(held != held_.end(), "no copy of columns from {} on", table.begin);
  const std::size_t element = storage_bytes(table.dtype);
  TileRows view = held->copy;
  if (!asks) {
    view.ahead = near_rows_ahead();
    view.prefetch = view.prefetch && view.ahead > 0;
  } else if (tile.count < table.end - table.begin) {
    view.wanted = view.base;
    view.wanted_bytes = (table.end - table.begin) * element;
  }
  view.base = static_cast<const std::byte*>(view.base) + (tile.first - table.begin) * element;
  return view;
}

}  // namespace regatta::cpu
