// Dropout whose mask depends on global ids, not on thread, chunk or rank.
#pragma once

#include "kernels/attention.h"

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace regatta {

/// x [N,F] (float or double) with each element zeroed with probability p or scaled by 1/(1-p). Mask
/// word of (row i, feature f): counter (global_id[i], f/4), word f%4. The backward makes the same
/// mask again. p = 0 returns x. `global_id` [N] lies where the kernels run and outlives the
/// backward.
at::Tensor keyed_dropout(const at::Tensor& x,
                         const std::int64_t* global_id,
                         const DropoutArgs& dropout,
                         const KernelTable& kernels);

/// Bytes that a row of so many columns takes for its dropout's bits, kept for the backward.
inline std::int64_t kept_bits_bytes(std::int64_t columns) {
  return 8 * KeptBits::message_words(columns);
}

}  // namespace regatta
