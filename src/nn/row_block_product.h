// Dense products and row sums of a layer with the same bits for any number of threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace regatta {

/// x [N,F] w [F,K] -> [N,K], differentiable in both. On the CPU (fp32, fp64) by
/// kernels/dense_product.h: rows in fixed blocks, so neither values nor gradients depend on threads
/// or on the run. Elsewhere the device's own product.
at::Tensor row_block_product(const at::Tensor& x, const at::Tensor& w);

/// The same for several w: x is read once, and its gradient is one sum in the order of the weights.
std::vector<at::Tensor> row_block_products(const at::Tensor& x, at::TensorList weights);

/// x^T dy [F,K] for x [N,F] and dy [N,K]: the gradient of the weights, not differentiable itself.
at::Tensor row_block_gradient(const at::Tensor& x, const at::Tensor& dy);

/// y [N,K] + b [K]; the gradient of b is summed in fixed blocks of rows.
at::Tensor add_to_rows(const at::Tensor& y, const at::Tensor& b);

/// y [N,K] * g [K]; the gradient of g is summed in fixed blocks of rows.
at::Tensor scale_rows(const at::Tensor& y, const at::Tensor& g);

}  // namespace regatta
