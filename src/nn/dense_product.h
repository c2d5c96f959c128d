// The one place where layers multiply dense matrices.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace regatta {

/// x [N,F] times weight [F,K], of type `type`; differentiable in both, each gradient of its
/// tensor's type. x may be of the storage type, weight is of the working type. bfloat16 is
/// multiplied as such where the processor (AMX) or the GPU gains by it, else widened to float.
at::Tensor dense_product(const at::Tensor& x, const at::Tensor& weight, at::ScalarType type);

/// The same for several weights, each with its type; x is read once where nothing is multiplied in
/// bfloat16.
std::vector<at::Tensor> dense_products(const at::Tensor& x,
                                       at::TensorList weights,
                                       at::ArrayRef<at::ScalarType> types);

}  // namespace regatta
