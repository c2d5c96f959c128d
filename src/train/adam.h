// Adam and AdamW in one pass over parameters in host memory.
#pragma once

#include "train/optimisers.h"

#include <memory>

namespace regatta {

/// Adam (Kingma and Ba 2015) with L2 added to the gradient, or AdamW (Loshchilov and Hutter 2019)
/// with `decoupled` weight decay, as torch::optim computes them. Parameters are fp32 or fp64 on the
/// CPU; one without a gradient stays as it is. Equal bits for any number of threads. State:
/// "<parameter>.exp_avg", ".exp_avg_sq", ".step", as those of torch::optim.
std::unique_ptr<Optimiser> make_host_adam(const OptimiserOptions& options,
                                          const NamedTensors& parameters,
                                          bool decoupled);

}  // namespace regatta
