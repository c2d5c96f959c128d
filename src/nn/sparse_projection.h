// Sparse features times a dense matrix as an autograd function, and sparse features made dense.
#pragma once

#include "nn/batch.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace regatta {

/// Y [rows,K] of type `type` = dropout(X)[:rows] W for the batch's sparse features and each W
/// [F,K]; differentiable in every W, whose gradient has its type. X is read once for all of them.
/// The batch must outlive the backward.
std::vector<at::Tensor> sparse_project(const Batch& batch,
                                       std::int64_t rows,
                                       at::TensorList weights,
                                       at::ScalarType type,
                                       const DropoutArgs& dropout);

/// The first `rows` rows of the batch's sparse features as a dense [rows,F] of the storage type.
at::Tensor densified(const Batch& batch, std::int64_t rows);

}  // namespace regatta
