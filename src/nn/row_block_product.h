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
/// x and the results (`types`) may be bf16 where w is fp32; each is rounded once.
std::vector<at::Tensor> row_block_products(const at::Tensor& x,
                                           at::TensorList weights,
                                           at::ArrayRef<at::ScalarType> types);

/// y [N,K] + b [K]; the gradient of b is summed in fixed blocks of rows.
at::Tensor add_to_rows(const at::Tensor& y, const at::Tensor& b);

/// y [N,K] * g [K]; the gradient of g is summed in fixed blocks of rows.
at::Tensor scale_rows(const at::Tensor& y, const at::Tensor& g);

/// The mean of each column of y [N,K], N >= 1, summed in fixed blocks of rows.
at::Tensor column_means(const at::Tensor& y);

}  // namespace regatta
