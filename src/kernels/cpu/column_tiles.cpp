#include "kernels/cpu/column_tiles.h"

#include "core/parallel.h"
#include "kernels/attention_checks.h"
#include "kernels/cpu/compact_tables.h"
#include "kernels/cpu/third_level_cache.h"
#include "kernels/storage_types.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace regatta::cpu {
namespace {

/// A tile of all rows should not be larger: half of the third-level cache of a usual core complex.
constexpr std::size_t kTileBytes = std::size_t{16} << 20;
/// Tables up to this size are read where they lie, when their columns fill whole blocks and packing
/// would not pay.
constexpr std::size_t kInPlaceBytes = std::size_t{4} << 20;
/// Packing pays above this size, where so many edges fetch a row on average: columns that lie a row
/// apart meet in few sets of the second-level cache.
constexpr std::size_t kNearBytes = std::size_t{256} << 10;
constexpr std::size_t kPackedEdges = 16;
/// Rows of a larger table are asked for ahead: it does not stay in the first-level cache.
constexpr std::size_t kPrefetchedBytes = std::size_t{256} << 10;
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
  const std::size_t block = block_columns(table.dtype);
  if (table.masked || columns % block != 0)
    return false;
  const std::size_t bytes = table.rows * table.row * storage_bytes(table.dtype);
  if (bytes > kInPlaceBytes)
    return table.rows * block * storage_bytes(table.dtype) > kTileBytes;
  return bytes <= kNearBytes || table.edges < kPackedEdges * table.rows ||
         table.row <= kMostBlocks * block;
}

/// Rows of `used` bytes, `stride` apart, copied side by side to `width` bytes each.
struct RowCopy {
  const std::byte* from;
  std::size_t stride;
  std::size_t used;
  std::byte* to;
  std::size_t width;

  /// Rows [begin, end) of `all`.
  void rows(std::size_t begin, std::size_t end, std::size_t all) const {
    const std::size_t last = all < kCopyAhead ? 0 : all - kCopyAhead;
    switch (used == width ? width : 0) {
      case 64:
        return each<64>(begin, end, last);
      case 128:
        return each<128>(begin, end, last);
      case 256:
        return each<256>(begin, end, last);
      default:
        return each<0>(begin, end, last);
    }
  }

 private:
  // No hardware prefetcher follows rows that lie a page apart.
  static constexpr std::size_t kCopyAhead = 8;

  template <std::size_t kBytes>
  void each(std::size_t begin, std::size_t end, std::size_t last) const {
    for (std::size_t j = begin; j < end; ++j) {
      const std::byte* row = from + j * stride;
      for (std::size_t k = 0; j < last && k < used; k += 64)
        __builtin_prefetch(row + kCopyAhead * stride + k);
      if (kBytes > 0)
        std::memcpy(to + j * width, row, kBytes);
      else
        padded(row, to + j * width);
    }
  }

  /// By pieces of fixed length: calls for lengths known only here would cost more than short rows.
  void padded(const std::byte* row, std::byte* target) const {
    constexpr std::size_t kHalf = 32;  // a block of bf16, half a block of the others
    for (std::size_t k = 0; k < width; k += kHalf) std::memset(target + k, 0, kHalf);
    std::size_t k = 0;
    for (; k + 64 <= used; k += 64) std::memcpy(target + k, row + k, 64);
    rest<32>(row, target, k);
  }

  template <std::size_t kLength>
  void rest(const std::byte* row, std::byte* target, std::size_t k) const {
    if (k + kLength <= used) {
      std::memcpy(target + k, row + k, kLength);
      k += kLength;
    }
    if constexpr (kLength > 1)
      rest<kLength / 2>(row, target, k);
  }
};

}  // namespace

std::vector<HeadGroup> head_groups(std::size_t heads, std::size_t most) {
  std::vector<HeadGroup> groups;
  for (std::size_t first = 0; first < heads; first += most) {
    const std::size_t count = std::min(most, heads - first);
    groups.push_back({first, count, std::bit_ceil(count)});
  }
  return groups;
}

std::vector<HeadGroup> gat_head_groups(const AttentionInputs& in) {
  const bool share = kMostGroupHeads * static_cast<std::size_t>(in.width) <= kMostTileColumns;
  return head_groups(static_cast<std::size_t>(in.heads), share ? kMostGroupHeads : kGroupHeads);
}

namespace {

std::vector<ColumnTile> tiles_of(const TableShape& table, std::size_t most) {
  const std::size_t block = block_columns(table.dtype);
  const bool packed = !in_place(table, table.end - table.begin);
  std::vector<ColumnTile> tiles;
  for (std::size_t first = table.begin; first < table.end;) {
    const std::size_t left = (table.end - first + block - 1) / block;
    std::size_t blocks = most;
    while (blocks > left) blocks /= 2;
    const std::size_t count = std::min(blocks * block, table.end - first);
    tiles.push_back({first, count, blocks, packed});
    first += count;
  }
  return tiles;
}

}  // namespace

std::vector<ColumnTile> column_tiles(const TableShape& table) {
  return tiles_of(table, most_blocks(table));
}

std::vector<ColumnTile> sum_tiles(const TableShape& table, bool wide) {
  return tiles_of(table, wide ? kMostBlocks : most_blocks(table));
}

bool stored_past_caches(std::size_t elements, KernelType dtype) {
  return elements * storage_bytes(dtype) > kTileBytes;
}

bool sums_may_go_wide(const AttentionInputs& in) {
  return in.message_dropout.probability == 0 &&
         static_cast<std::size_t>(in.width) % (kMostBlocks * block_columns(in.dtype)) == 0;
}

bool sums_go_wide(const AttentionInputs& in, const TableShape& table) {
  return sums_may_go_wide(in) && most_blocks(table) < kMostBlocks &&
         third_level_cache_holds(packed_tile_bytes(table, true));
}

std::size_t packed_tile_bytes(const TableShape& table, bool wide) {
  const std::size_t blocks = wide ? kMostBlocks : most_blocks(table);
  return in_place(table, table.end - table.begin)
             ? 0
             : table.rows * blocks * block_columns(table.dtype) * storage_bytes(table.dtype);
}

std::size_t packed_row_bytes(const ColumnTile& tile, KernelType dtype) {
  return tile.blocks * block_columns(dtype) * storage_bytes(dtype);
}

bool is_whole_table(const ColumnTile& tile, const TableShape& table) {
  return !table.masked && tile.count == table.row &&
         tile.count == tile.blocks * block_columns(table.dtype);
}

TileRows pack_tile(const TableShape& table, const ColumnTile& tile, const void* rows, void* to) {
  const std::size_t element = storage_bytes(table.dtype);
  const auto* from = static_cast<const std::byte*>(rows) + tile.first * element;
  if (!tile.packed || is_whole_table(tile, table))
    return {from, table.row, table.rows * table.row * element > kPrefetchedBytes};
  const std::size_t width = tile.blocks * block_columns(table.dtype);
  const RowCopy copy{from,
                     table.row * element,
                     tile.count * element,
                     static_cast<std::byte*>(to),
                     width * element};
  const auto pieces = static_cast<std::int64_t>((table.rows + kRowsPerPiece - 1) / kRowsPerPiece);
  parallel_pieces(pieces, [&](std::int64_t piece) {
    const std::size_t begin = static_cast<std::size_t>(piece) * kRowsPerPiece;
    copy.rows(begin, std::min(table.rows, begin + kRowsPerPiece), table.rows);
  });
  return {to, width, true};
}

TileRows TileBuffer::of_held(const TableShape& table, const ColumnTile& tile, const void* rows) {
  const bool asks = std::ranges::find(asked_for_, rows) == asked_for_.end();
  if (asks)
    asked_for_.push_back(rows);
  return held_->tile(table, tile, rows, asks);
}

TileRows TileBuffer::pack(const TableShape& table, const ColumnTile& tile, const void* rows) {
  if (held_ != nullptr)
    return of_held(table, tile, rows);
  const bool here =
      table_ == rows && rows_ == table.rows && first_ == tile.first && count_ == tile.count;
  if (!here) {
    packed_ = pack_tile(table, tile, rows, memory_);
    table_ = rows;
    rows_ = table.rows;
    first_ = tile.first;
    count_ = tile.count;
  }
  return packed_;
}

TileRows TileBuffer::pack_messages(const AttentionInputs& in,
                                   const TableShape& table,
                                   const ColumnTile& tile) {
  if (!table.masked)
    return pack(table, tile, in.value);
  table_ = nullptr;
  return cpu::pack_messages(in, table, tile, memory_);
}

TableShape message_table(const AttentionInputs& in, const HeadGroup& group) {
  const auto width = static_cast<std::size_t>(in.width);
  return {static_cast<std::size_t>(in.nodes),
          static_cast<std::size_t>(in.heads) * width,
          group.first * width,
          (group.first + group.count) * width,
          in.dtype,
          static_cast<std::size_t>(edges_of(in)),
          in.message_dropout.probability > 0};
}

TableShape gradient_table(const AttentionInputs& in, const HeadGroup& group) {
  TableShape table = message_table(in, group);
  table.rows = static_cast<std::size_t>(in.rows);
  table.masked = false;
  return table;
}

}  // namespace regatta::cpu
