// Checks that all ranks hold the same list of parameters.
#pragma once

#include "comm/communicator.h"
#include "reducer/gradient_reducer.h"

#include <ATen/core/Tensor.h>

#include <vector>

namespace regatta {

/// Throws Error(kUsage), with the same words on every rank, when ranks differ in their options or in
/// the number, shapes or types of parameters (naming the first rank and parameter that differ from
/// rank 0's), or when a parameter is no leaf, or is neither frozen nor float32 or float64. Collective.
void check_parameters_agree(const std::vector<at::Tensor>& parameters,
                            const ReducerOptions& options,
                            Communicator& communicator);

}  // namespace regatta
