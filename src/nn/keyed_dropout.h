// Dropout whose mask depends on global ids, not on thread, chunk or rank.
#pragma once

#include "core/rng.h"

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace regatta {

/// x [N,F] with each element zeroed with probability p or scaled by 1/(1-p). Mask word of (row i,
/// feature f): counter (global_id[i], f/4), word f%4. The backward uses the same mask. p = 0
/// returns x. `global_id`: int64, CPU, at least N.
at::Tensor keyed_dropout(const at::Tensor& x, const at::Tensor& global_id, double p, RandomKey key);

}  // namespace regatta
