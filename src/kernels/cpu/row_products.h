// Sums over the columns of a tile for every edge: the first half of attention that compares rows.
#pragma once

#include "kernels/cpu/column_tiles.h"
#include "kernels/cpu/edge_pass.h"
#include "kernels/cpu/slope_bits.h"
#include "kernels/cpu/weighted_sums.h"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace regatta::cpu {

/// gatv2: u = row_i + table_j (+ x_e weight) and its LeakyReLU.
struct LeakyTerms {
  const void* vector = nullptr;  ///< (w) [row] a
  double slope = 0;
  std::size_t row = 0;  ///< H*D
  std::size_t features = 0;
  const void* x = nullptr;       ///< (w) [E,features]
  const void* weight = nullptr;  ///< (w) [features,row]
};

/// Rows of the items, in the storage type; row i starts at base + i * stride.
struct ItemRows {
  const void* base = nullptr;
  std::size_t stride = 0;
};

/// product[e,h] = sum over the tile's columns c of head h of rows[i,c] table[j,c], or with `leaky`
/// of a[c] LeakyReLU(u[c]); second_product likewise <second_rows, table>, from the same read of the
/// table. Edges are summed one by one: equal bits for any number of threads.
struct RowProducts {
  KernelType dtype = KernelType::kFloat32;
  EdgeLists edges;
  HeadGroup group;
  TileRows table;
  ColumnTile tile;
  /// Blocks whose columns are summed before they are added to the rest, as if each part were a tile
  /// of its own; 0: the whole tile, which else has four blocks of one head.
  std::size_t part_blocks = 0;
  std::size_t width = 0;  ///< D: column c belongs to head c / D
  ItemRows rows;
  ItemRows second_rows;            ///< optional
  void* product = nullptr;         ///< (w) [E,group.stride]
  void* second_product = nullptr;  ///< as product, with second_rows
  bool add = false;                ///< to what is there; false: overwrites all heads of the group
  const LeakyTerms* leaky = nullptr;  ///< read when the pass is made, not after
  SlopeBits bits{};                   ///< of gatv2: written where given
};

void row_products(const RowProducts& pass);
std::unique_ptr<EdgePass> row_products_pass(const RowProducts& pass);

}  // namespace regatta::cpu
