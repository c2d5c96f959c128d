// The one place where layers multiply dense matrices.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace regatta {

/// x [N,F] times weight [F,K], of type `type`; differentiable in both, each gradient of its
/// tensor's type. x may be of the storage type, weight is of the working type. Products of type
/// bfloat16 are made in bfloat16 on processors with AMX and on GPUs, else widened to float.
at::Tensor dense_product(const at::Tensor& x, const at::Tensor& weight, at::ScalarType type);

/// The same for several weights, each with its type; on the processor x is read once.
std::vector<at::Tensor> dense_products(const at::Tensor& x,
                                       at::TensorList weights,
                                       at::ArrayRef<at::ScalarType> types);

}  // namespace regatta
