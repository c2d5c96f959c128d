// Blocks of items whose edges' rows fit in the second-level cache together: all passes over a block
// run before the next one, so what the first of them fetched serves the others.
//
// The tables are copied first, so that all the cache lines of an edge's row lie together. That pays
// where the third-level cache holds the copies; else passes over all items, a narrow tile at a
// time, fetch less from memory (column_tiles.h). An item's sums are the same to the bit both ways,
// so the machine may decide.
#pragma once

#include "kernels/cpu/edge_pieces.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace regatta::cpu {

/// Whether passes may go by blocks: no item is a hub, and the third-level cache holds the tables
/// that the passes over in-edges read.
bool goes_by_blocks(std::size_t table_bytes, std::initializer_list<EdgeLists> lists);

/// body(lists of the block) over threads. `row_bytes`: what the passes fetch for each edge.
template <class Body>
void for_edge_blocks(const EdgeLists& lists, std::size_t row_bytes, const Body& body) {
  constexpr std::size_t kBlockBytes = std::size_t{512} << 10;
  constexpr std::size_t kLeastEdges = 256;
  const auto most = static_cast<std::int64_t>(std::max(kBlockBytes / row_bytes, kLeastEdges));
  EdgePieces(lists).run([&](const EdgePiece& piece) {
    EdgeLists block = lists;
    for (std::int64_t i = piece.items.begin; i < piece.items.end; i = block.only.items.end) {
      const std::int64_t last = lists.begin[i] + most;
      const std::int64_t* past =
          std::upper_bound(lists.begin + i + 1, lists.begin + piece.items.end + 1, last);
      const std::int64_t end = std::max(i + 1, (past - lists.begin) - 1);
      block.only = {{i, end}, piece.number, i > piece.items.begin};
      body(block);
    }
  });
}

}  // namespace regatta::cpu
