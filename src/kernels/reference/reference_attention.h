// Plain-loop attention: the oracle of all tables. One edge after another, sums in double.
#pragma once

#include "kernels/attention.h"

namespace regatta::reference {

void forward(const AttentionForwardArgs& args);
void backward(const AttentionBackwardArgs& args);  ///< sums over edges; never uses `correction`
void weights(const AttentionWeightsArgs& args);
/// The same for rows begin .. end-1, unchecked: rows are independent.
void weights_of_rows(const AttentionWeightsArgs& args, std::int64_t begin, std::int64_t end);
void sparse_project(const SparseProjectionArgs& args);
void sparse_project_backward(const SparseProjectionArgs& args);

}  // namespace regatta::reference
