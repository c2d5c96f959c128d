// Blocks of items whose edges' rows fit in the second-level cache together: all passes over a block
// run before the next one, so what the first of them fetched serves the others.
//
// The tables are copied first, so that all the cache lines of an edge's row lie together. That pays
// where the third-level cache holds the copies; else passes over all items, a narrow tile at a
// time, fetch less from memory (column_tiles.h). An item's sums are the same to the bit both ways,
// so the machine may decide.
#pragma once

#include "kernels/cpu/edge_pass.h"
#include "kernels/cpu/edge_pieces.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <vector>

namespace regatta::cpu {

/// Whether passes may go by blocks: no item is a hub, and the third-level cache holds the tables
/// that the passes over in-edges read.
bool goes_by_blocks(std::size_t table_bytes, std::initializer_list<EdgeLists> lists);

/// What the edges of a block fetch together: half the second-level cache, which holds the items'
/// own rows, weights and records too, but no more than 512 KiB.
std::size_t block_bytes();

/// body(EdgePiece) for the blocks of all pieces in their order, over threads. `row_bytes`: what the
/// passes fetch for each edge.
template <class Body>
void for_edge_blocks(const EdgeLists& lists, std::size_t row_bytes, const Body& body) {
  constexpr std::size_t kLeastEdges = 256;
  const auto most = static_cast<std::int64_t>(std::max(block_bytes() / row_bytes, kLeastEdges));
  EdgePieces(lists).run([&](const EdgePiece& piece) {
    EdgePiece block = piece;
    for (std::int64_t k = 0, next = 0, items = piece.items.end - piece.items.begin; k < items;
         k = next) {
      next = k + 1;
      while (next < items && piece.end[next] - piece.begin[k] <= most) ++next;
      block.items = {piece.items.begin + k, piece.items.begin + next};
      block.begin = piece.begin + k;
      block.end = piece.end + k;
      block.continues = k > 0;
      body(block);
    }
  });
}

/// Passes that run at once over all items, or are kept to run by blocks.
class EdgePasses {
 public:
  explicit EdgePasses(bool by_blocks) : by_blocks_(by_blocks) {}

  /// Those added from here to run_blocks are kept, since they meet in one tile.
  void meet() { meeting_ = true; }
  bool meeting() const { return meeting_; }
  void add(std::unique_ptr<EdgePass> pass);
  /// What a pass points to, kept as long as the passes.
  template <class Value>
  const Value* keep(const Value& value) {
    const auto kept = std::make_shared<const Value>(value);
    values_.push_back(kept);
    return kept.get();
  }
  /// The passes that were kept, if any, all over one block before the next.
  void run_blocks(const EdgeLists& lists, std::size_t row_bytes);

 private:
  bool by_blocks_;
  bool meeting_ = false;
  std::vector<std::unique_ptr<EdgePass>> passes_;
  std::vector<std::shared_ptr<const void>> values_;
};

}  // namespace regatta::cpu
