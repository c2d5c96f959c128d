// Whether passes multiply rows of bf16 by pairs of columns.
#pragma once

namespace regatta::cpu {

/// Whether the processor adds the products of pairs of bf16 values to floats in one instruction
/// (AVX512_BF16: AMD from Zen 4 on, Intel from Sapphire Rapids on), and it is allowed. Bits do not
/// depend on it, except where values or products are subnormal: the instruction takes them for 0.
bool pair_products_in_use();

/// For tests, before kernels run.
void allow_pair_products(bool allowed);

}  // namespace regatta::cpu
