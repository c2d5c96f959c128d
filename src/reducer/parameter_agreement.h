// Checks that all ranks hold the same list of parameters.
#pragma once

#include "comm/communicator.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace regatta {

/// Throws Error(kUsage), with the same words on every rank, when ranks differ in bucket size or in
/// the number, shapes or types of parameters (naming the first rank and parameter that differ from
/// rank 0's), or when a parameter is not a float32 or float64 leaf that wants a gradient.
/// Collective.
void check_parameters_agree(const std::vector<at::Tensor>& parameters,
                            std::int64_t bucket_bytes,
                            Communicator& communicator);

}  // namespace regatta
