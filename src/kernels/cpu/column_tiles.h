// How a pass over edges cuts the columns of its tables: by groups of heads whose weights lie side
// by side, and by tiles narrow enough that all their rows stay in cache.
//
// Random rows of a table of 100 MB come at the speed of memory; those of a packed tile of 128 bytes
// a row at that of the third-level cache, three times as fast
// (docs/decisions/0009-cpu-attention.md).
#pragma once

#include "kernels/attention.h"
#include "kernels/cpu/third_level_cache.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace regatta::cpu {

/// Heads first .. first+count-1; the weights of an edge are `stride` values, one a head, 0 beyond
/// count.
struct HeadGroup {
  std::size_t first = 0;
  std::size_t count = 0;
  std::size_t stride = 0;  ///< 1, 2, 4 or 8
};

inline constexpr std::size_t kGroupHeads = 4;
inline constexpr std::size_t kMostGroupHeads = 8;

/// Groups of at most `most` heads, a power of two.
std::vector<HeadGroup> head_groups(std::size_t heads, std::size_t most = kGroupHeads);

/// Of gat: eight heads where one tile holds the columns of all, so that what every edge and row
/// costs is paid once; wider ones would load the weights of heads that a tile does not have.
std::vector<HeadGroup> gat_head_groups(const AttentionInputs& in);

/// Columns of the widest tile: four blocks of floats.
inline constexpr std::size_t kMostTileColumns = 64;

/// Columns first .. first+count-1 of a row; packed they take `blocks` blocks of 64 bytes of working
/// values.
struct ColumnTile {
  std::size_t first = 0;
  std::size_t count = 0;
  std::size_t blocks = 0;  ///< 1, 2 or 4
  bool packed = true;      ///< false: rows are read where they lie
};

/// Where a pass finds its rows: row j starts at base + j * stride.
struct TileRows {
  const void* base = nullptr;
  std::size_t stride = 0;  ///< elements
  bool prefetch = false;   ///< ask ahead for the tile's columns, or for what `wanted` says
  std::int64_t ahead = rows_ahead();  ///< edges ahead
  const void* wanted = nullptr;       ///< row 0 from its first wanted column on
  std::size_t wanted_bytes = 0;       ///< of a row
};

/// Shape of a table that edges gather from: rows of `row` elements, of which [begin, end) are
/// wanted.
struct TableShape {
  std::size_t rows = 0;
  std::size_t row = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
  KernelType dtype = KernelType::kFloat32;
  std::size_t edges = 0;  ///< that fetch rows
  bool masked = false;    ///< rows get message dropout, so tiles are always packed
};

/// Columns depend on the width and the number of rows alone, so a pass sums in the same order on
/// every machine.
std::vector<ColumnTile> column_tiles(const TableShape& table);
/// For weighted sums alone, which have the same bits in tiles of any width: with `wide` the widest
/// that passes take.
std::vector<ColumnTile> sum_tiles(const TableShape& table, bool wide);

/// Whether sums over messages may take the widest tiles: without message dropout, where every head
/// is one or more of them, so that sums by head stay sums by narrow tile.
bool sums_may_go_wide(const AttentionInputs& in);

/// Whether they do: where the third-level cache holds such a tile.
bool sums_go_wide(const AttentionInputs& in, const TableShape& table);

/// Whether an array of so many elements is too large to stay in a cache between passes.
bool stored_past_caches(std::size_t elements, KernelType dtype);

/// Bytes that pack_tile writes for the widest tile of the table, of column_tiles or of sum_tiles.
std::size_t packed_tile_bytes(const TableShape& table, bool wide = false);

/// Of a row of a packed tile.
std::size_t packed_row_bytes(const ColumnTile& tile, KernelType dtype);

/// Whether the rows of a tile lie as packing would lay them: it has all columns, in whole blocks.
bool is_whole_table(const ColumnTile& tile, const TableShape& table);

/// Copies the tile's columns of all rows side by side, padded with zeros to whole blocks; `to`
/// holds packed_tile_bytes. A tile that is not packed, or is the whole table, is only described.
TileRows pack_tile(const TableShape& table, const ColumnTile& tile, const void* rows, void* to);

/// The same with mu of the inputs' message dropout, for rows that are nodes. `kept` gets the bits
/// of the tile, as KeptBits has them, and must have got those of the tiles before it; null: they
/// are not wanted.
TileRows pack_messages(const AttentionInputs& in,
                       const TableShape& table,
                       const ColumnTile& tile,
                       void* to,
                       std::uint64_t* kept = nullptr);

/// bits[j], bit c: whether message dropout keeps column tile.first + c of node j; from `kept`, as
/// KeptBits has them, unless that is null. Nothing without that dropout.
void find_kept_messages(const AttentionInputs& in,
                        const ColumnTile& tile,
                        const std::uint64_t* kept,
                        std::uint64_t* bits);
std::size_t kept_messages_bytes(const AttentionInputs& in);

class CompactTables;

/// Memory for one packed tile, which knows what lies in it: passes over the same table that walk
/// its tiles there and back pack one tile less each way. The tables must not change meanwhile.
class TileBuffer {
 public:
  /// `memory` holds packed_tile_bytes of every table that is packed.
  explicit TileBuffer(void* memory) : memory_(memory) {}
  /// Tiles of tables that are held; the first tile of a table asks ahead for the others.
  explicit TileBuffer(const CompactTables& held) : held_(&held) {}
  TileRows pack(const TableShape& table, const ColumnTile& tile, const void* rows);
  TileRows pack_messages(const AttentionInputs& in,
                         const TableShape& table,
                         const ColumnTile& tile);

 private:
  TileRows of_held(const TableShape& table, const ColumnTile& tile, const void* rows);

  void* memory_ = nullptr;
  const CompactTables* held_ = nullptr;
  std::vector<const void*> asked_for_;  ///< tables
  const void* table_ = nullptr;         ///< null: what lies here cannot be used again
  std::size_t rows_ = 0;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  TileRows packed_;
};

/// The columns of `group` in the table of messages [N,H,D].
TableShape message_table(const AttentionInputs& in, const HeadGroup& group);
/// The same in tables [R,H,D], which no dropout masks.
TableShape gradient_table(const AttentionInputs& in, const HeadGroup& group);

}  // namespace regatta::cpu
