// The logits of gat as a narrow product: a . (xW) = x (W a), and the product's columns taken apart.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>

namespace regatta {

/// scale * W a of a projection W [F,H*D] for each of V vectors a [H,D], one head a column:
/// [F,V*H]. Differentiable in the projection and the vectors, with a fixed order of sums.
at::Tensor fold_vectors(const at::Tensor& projection, at::TensorList vectors, double scale);

/// Columns [0,H) of all rows, and columns [H,2H) of the first `rows`, of logits [N,2H]; dense.
std::pair<at::Tensor, at::Tensor> split_logits(const at::Tensor& logits, std::int64_t rows);

}  // namespace regatta
