// gatv2's gradients of u, summed over the edges of each item.
#pragma once

#include "kernels/cpu/row_products.h"
#include "kernels/cpu/weighted_sums.h"

namespace regatta::cpu {

/// For every item sum_e weight_e LeakyReLU'(u_e), u as LeakyTerms says with the item's row and the
/// table's; `finish` is called as by weighted_sums.
struct LeakySums {
  KernelType dtype = KernelType::kFloat32;
  EdgeLists edges;
  HeadGroup group;
  const void* weight = nullptr;  ///< (w) [edges, group.stride] and 16 values that may be read
  TileRows table;
  ColumnTile tile;
  std::size_t width = 0;
  ItemRows rows;
  LeakyTerms leaky;
  /// Sums over all edges of weight LeakyReLU(u), and of x_f weight LeakyReLU'(u) for each feature
  /// f, by EdgePieces: leaky_parts_bytes, or null.
  void* parts = nullptr;
  FinishSums finish = nullptr;
  const void* context = nullptr;
};
void leaky_sums(const LeakySums& pass);

std::size_t leaky_parts_bytes(const AttentionInputs& in);

/// Place of a tile's parts among those of a group's tiles, `before` columns from the first.
std::size_t leaky_place(std::size_t before, KernelType dtype);

/// Adds the parts of a tile in the order of the pieces: grad_attention_vector and grad_edge_weight.
void merge_leaky_parts(const AttentionBackwardArgs& args, const LeakySums& pass);

}  // namespace regatta::cpu
