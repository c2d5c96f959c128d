#include "kernels/cpu/column_tiles.h"

#include "core/parallel.h"
#include "kernels/storage_types.h"

#include <algorithm>
#include <cstring>

namespace regatta::cpu {
namespace {

/// A tile of all rows should not be larger: half of the third-level cache of a usual core complex.
constexpr std::size_t kTileBytes = std::size_t{16} << 20;
/// Tables up to this size are read where they lie, when their columns fill whole blocks.
constexpr std::size_t kInPlaceBytes = std::size_t{4} << 20;
constexpr std::size_t kMostBlocks = 4;
constexpr std::size_t kRowsPerPiece = 2048;

/// Working values in a block of 64 bytes.
std::size_t block_columns(KernelType dtype) {
  return 64 / working_bytes(dtype);
}

/// The widest tile, in blocks.
std::size_t most_blocks(const TableShape& table) {
  const std::size_t block = table.rows * block_columns(table.dtype) * storage_bytes(table.dtype);
  if (block > kTileBytes)  // no tile would fit: wide rows waste less of what memory delivers
    return kMostBlocks;
  std::size_t blocks = 1;
  while (blocks < kMostBlocks && 2 * blocks * block <= kTileBytes) blocks *= 2;
  return blocks;
}

bool in_place(const TableShape& table, std::size_t columns) {
  const std::size_t bytes = table.rows * table.row * storage_bytes(table.dtype);
  const std::size_t block = table.rows * block_columns(table.dtype) * storage_bytes(table.dtype);
  return !table.masked && columns % block_columns(table.dtype) == 0 &&
         (bytes <= kInPlaceBytes || block > kTileBytes);
}

}  // namespace

std::vector<HeadGroup> head_groups(std::size_t heads) {
  std::vector<HeadGroup> groups;
  for (std::size_t first = 0; first < heads; first += kGroupHeads) {
    const std::size_t count = std::min(kGroupHeads, heads - first);
    groups.push_back({first, count, count == 3 ? 4 : count});
  }
  return groups;
}

std::vector<ColumnTile> column_tiles(const TableShape& table) {
  const std::size_t block = block_columns(table.dtype);
  const bool packed = !in_place(table, table.end - table.begin);
  std::vector<ColumnTile> tiles;
  for (std::size_t first = table.begin; first < table.end;) {
    const std::size_t left = (table.end - first + block - 1) / block;
    std::size_t blocks = most_blocks(table);
    while (blocks > left) blocks /= 2;
    const std::size_t count = std::min(blocks * block, table.end - first);
    tiles.push_back({first, count, blocks, packed});
    first += count;
  }
  return tiles;
}

std::size_t packed_tile_bytes(const TableShape& table) {
  const bool packed = !in_place(table, table.end - table.begin);
  return packed ? table.rows * most_blocks(table) * block_columns(table.dtype) *
                      storage_bytes(table.dtype)
                : 0;
}

TileRows pack_tile(const TableShape& table, const ColumnTile& tile, const void* rows, void* to) {
  const std::size_t element = storage_bytes(table.dtype);
  const auto* from = static_cast<const std::byte*>(rows) + tile.first * element;
  const std::size_t block = table.rows * block_columns(table.dtype) * element;
  if (!tile.packed)
    return {from, table.row, block > kTileBytes};
  const std::size_t width = tile.blocks * block_columns(table.dtype);
  auto* packed = static_cast<std::byte*>(to);
  const auto pieces = static_cast<std::int64_t>((table.rows + kRowsPerPiece - 1) / kRowsPerPiece);
  parallel_pieces(pieces, [&](std::int64_t piece) {
    const std::size_t begin = static_cast<std::size_t>(piece) * kRowsPerPiece;
    const std::size_t end = std::min(table.rows, begin + kRowsPerPiece);
    for (std::size_t j = begin; j < end; ++j) {
      std::byte* row = packed + j * width * element;
      std::memcpy(row, from + j * table.row * element, tile.count * element);
      std::memset(row + tile.count * element, 0, (width - tile.count) * element);
    }
  });
  return {packed, width, true};
}

TableShape message_table(const AttentionInputs& in, const HeadGroup& group) {
  const auto width = static_cast<std::size_t>(in.width);
  return {static_cast<std::size_t>(in.nodes),
          static_cast<std::size_t>(in.heads) * width,
          group.first * width,
          (group.first + group.count) * width,
          in.dtype,
          in.message_dropout.probability > 0};
}

}  // namespace regatta::cpu
