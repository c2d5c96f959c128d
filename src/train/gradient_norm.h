// The norm that clipping and the test of finiteness share.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace regatta {

/// Euclidean norm of all gradients together; parameters without one count as zeros. Not finite when
/// any element is not, or when the sum of squares leaves fp64. On the CPU one pass, summed in fp64
/// over fixed pieces in their order.
double gradient_norm(const std::vector<at::Tensor>& parameters);

}  // namespace regatta
