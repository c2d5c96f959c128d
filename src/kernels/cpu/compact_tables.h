// Copies of a group of heads' columns, row after row: passes over blocks of items read several of
// their tiles from one fetch.
#pragma once

#include "kernels/cpu/column_tiles.h"

#include <array>
#include <cstddef>

namespace regatta::cpu {

class CompactTables {
 public:
  static constexpr std::size_t kSlots = 2;

  /// Of one copy; 0 for a table that passes read where it lies.
  static std::size_t bytes(const TableShape& table);

  /// `memory` holds kSlots copies of at most `slot_bytes` each.
  CompactTables(void* memory, std::size_t slot_bytes)
      : memory_(static_cast<std::byte*>(memory)), slot_bytes_(slot_bytes) {}

  /// Copies the table's wanted columns, over threads, unless the slot holds them or they are the
  /// whole table, which is read where it lies.
  void hold(std::size_t slot, const TableShape& table, const void* rows);

  /// A tile of a table that is held. `asks`: the pass fetches a row's columns for those after it,
  /// which find them in the second-level cache.
  TileRows tile(const TableShape& table, const ColumnTile& tile, const void* rows, bool asks) const;

 private:
  struct Held {
    /// Whether the copy has all of the table.
    bool has(const TableShape& table, const void* from) const {
      return rows == from && begin == table.begin && end == table.end && count >= table.rows;
    }
    const void* rows = nullptr;
    std::size_t count = 0;
    std::size_t begin = 0;
    std::size_t end = 0;
    TileRows copy;
  };

  std::byte* memory_;
  std::size_t slot_bytes_;
  std::array<Held, kSlots> held_;
};

}  // namespace regatta::cpu
