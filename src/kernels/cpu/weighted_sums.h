// sum_e w_e row(e) of the listed rows for every item: the pass over edges that every kind of
// attention shares.
#pragma once

#include "kernels/cpu/column_tiles.h"
#include "kernels/cpu/edge_pass.h"
#include "kernels/cpu/edge_pieces.h"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace regatta::cpu {

/// What is made of a weight. Kinds with a sign (gat) keep u > 0 in it: sums take |w|, and a second
/// sum takes max(w, second w): with second = 0 the edges with u > 0 alone, with -slope each edge
/// times LeakyReLU'(u).
enum class WeightUse { kPlain, kMagnitude, kMagnitudeAndSecond };

/// Called for each item with its sums over the tile's columns, padded to whole blocks, 64-byte
/// aligned. `second` is null but for kMagnitudeAndSecond. Runs on the thread that holds the item;
/// for hubs on the caller's, after all others.
using FinishSums = void (*)(const void* context,
                            std::int64_t item,
                            const ColumnTile& tile,
                            const void* first,
                            const void* second);

struct WeightedSums {
  KernelType dtype = KernelType::kFloat32;  ///< of the table
  EdgeLists edges;
  HeadGroup group;
  const void* weight =
      nullptr;  ///< working type [edges, weight_stride] and 16 values that may be read, not used
  std::size_t weight_stride = 0;  ///< from an edge's weights to the next one's; 0: group.stride
  WeightUse use = WeightUse::kPlain;
  double second = 0;
  TileRows table;
  ColumnTile tile;
  std::size_t width = 0;  ///< D: column c belongs to head c / D
  FinishSums finish = nullptr;
  const void* context = nullptr;
};

/// Within an item, or a part of a hub, edges are summed in their order, and parts in theirs: equal
/// bits for any number of threads.
void weighted_sums(const WeightedSums& pass);
std::unique_ptr<EdgePass> weighted_sums_pass(const WeightedSums& pass);

}  // namespace regatta::cpu
