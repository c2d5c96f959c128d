// gatv2's gradients of u, summed over the edges of each item.
#pragma once

#include "kernels/cpu/row_products.h"
#include "kernels/cpu/slope_bits.h"
#include "kernels/cpu/weighted_sums.h"

namespace regatta::cpu {

/// For every item s = sum_e weight_e LeakyReLU'(u_e); `finish` is called as by weighted_sums.
///
/// The gradient of a needs no edge of its own: u_e is the row of its target plus that of its
/// source plus x_e times the edges' weight W, so sum_e weight_e LeakyReLU(u_e) is the sum over rows
/// of l s, over sources of r s, and over features of W sum_e x_e weight_e LeakyReLU'(u_e).
struct LeakySums {
  KernelType dtype = KernelType::kFloat32;
  EdgeLists edges;
  HeadGroup group;
  const void* weight = nullptr;  ///< (w) [edges, weight_stride] and 16 values that may be read
  std::size_t weight_stride = 0;
  ColumnTile tile;
  std::size_t width = 0;
  ItemRows rows;     ///< of the items: l or r
  SlopeBits bits;    ///< of the edges
  LeakyTerms leaky;  ///< without features there are no lines of them
  /// By EdgePieces, lines of columns: the sum of rows s, and for each feature f that of
  /// x_f weight LeakyReLU'(u). leaky_parts_bytes.
  void* parts = nullptr;
  FinishSums finish = nullptr;
  const void* context = nullptr;
};
std::unique_ptr<EdgePass> leaky_sums_pass(const LeakySums& pass);

/// Of a tile, for `lines` a piece.
std::size_t leaky_parts_bytes(const EdgeLists& edges, std::size_t lines, KernelType dtype);
/// Lines of the rows' parts; those of the sources have one.
std::size_t leaky_row_lines(const AttentionInputs& in);

/// Place of a tile's parts among those of a group's tiles, `before` columns from the first.
std::size_t leaky_place(std::size_t before, KernelType dtype);

/// grad_attention_vector and grad_edge_weight of a tile, from the parts of its rows and sources in
/// the order of the pieces.
void merge_leaky_parts(const AttentionBackwardArgs& args,
                       const LeakySums& rows,
                       const LeakySums& sources);

}  // namespace regatta::cpu
