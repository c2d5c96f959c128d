// Dense products whose bits depend on their operands alone, never on threads or on a library's
// choices.
//
// Legend: N = rows, F = inner width, K = columns. Arrays are dense, row-major, of `dtype` (fp32 or
// fp64). Sums run in the working type over the inner index in an order that the shape fixes, so a
// row of y or dx is the same however rows are shared out; dw is summed in fixed blocks of rows,
// added in their order. With AMX in use (core/amx.h) products in fp32 are formed from exact bf16
// parts, and those with a bf16 y from operands rounded to bf16; elsewhere bf16 rows are widened.
#pragma once

#include "kernels/attention.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace regatta {

struct DenseProductArgs {
  KernelType dtype = KernelType::kFloat32;
  std::int64_t rows = 0;      ///< N
  std::int64_t inner = 0;     ///< F
  std::int64_t columns = 0;   ///< K
  const void* x = nullptr;    ///< [N,F]; null in the weight gradient stands for ones [N,1]
  const void* w = nullptr;    ///< [F,K]
  const void* dy = nullptr;   ///< [N,K]
  bool narrow_x = false;      ///< x and dx are bf16, with dtype fp32: dx is rounded once
  bool narrow_y = false;      ///< y and dy likewise
  void* result = nullptr;     ///< y [N,K], dx [N,F] or dw [F,K]; overwritten
  void* workspace = nullptr;  ///< the bytes told by the function below, 64-byte aligned
};

/// Bytes that multiply_dense (and its input gradient) or the weight gradient want.
std::size_t dense_product_workspace_bytes(const DenseProductArgs& args);
std::size_t dense_weight_gradient_workspace_bytes(const DenseProductArgs& args);

/// y = x w for each of some products of one x: rows, inner and dtype are those of the first, each
/// has its own columns, w, result and workspace.
void multiply_dense(std::span<const DenseProductArgs> products);
/// dx = sum over the products of dy w^T, in their order, in the result of the first.
void dense_input_gradient(std::span<const DenseProductArgs> products);
/// dw = x^T dy, the sum over rows, for each of some products of one x; with x null the column sums
/// of dy.
void dense_weight_gradient(std::span<const DenseProductArgs> products);

}  // namespace regatta
