// Dense products by tiles of Intel AMX, where the processor has it.
//
// Sums are in fp32. Operands in fp32 count with all their bits (kExactPlanes of amx_tiles.h) unless
// y is bf16: then both operands are rounded to bf16, the product that `precision: bf16` asks for.
// Elements do not depend on threads or on the rows they are computed with.
#pragma once

#include "kernels/dense_product.h"

#include <cstddef>
#include <span>

namespace regatta::cpu {

/// Whether AMX takes products of one x (or their gradients): it is in use, they are fp32, and
/// padding does not eat the gain. The number of rows never enters.
bool suits_amx(std::span<const DenseProductArgs> products);

/// Bytes for the packed weights of one product, either direction.
std::size_t amx_workspace_bytes(const DenseProductArgs& args);

/// As the functions of kernels/dense_product.h, whose arguments they take.
void multiply_by_amx(std::span<const DenseProductArgs> products);
void input_gradient_by_amx(std::span<const DenseProductArgs> products);
/// Leaves a sum for each block of rows (kernels/cpu/row_blocks.h): the first in the result, the
/// others one after another in the workspace.
void weight_gradient_by_amx(std::span<const DenseProductArgs> products);

}  // namespace regatta::cpu
