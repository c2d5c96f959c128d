// Checks every kernel table makes before it touches memory.
#pragma once

#include "kernels/attention.h"

namespace regatta {

/// check_attention_inputs plus the outputs; throws Error(kInternal) naming a null pointer.
void check_forward(const AttentionForwardArgs& args, std::size_t workspace_bytes);
void check_backward(const AttentionBackwardArgs& args, std::size_t workspace_bytes);
void check_weights(const AttentionWeightsArgs& args);

/// Throws Error(kInternal/kUsage) naming the argument of a sparse product.
void check_sparse_projection(const SparseProjectionArgs& args, bool backward);

/// Edges of the first `rows` rows.
std::int64_t edges_of(const AttentionInputs& in);

}  // namespace regatta
