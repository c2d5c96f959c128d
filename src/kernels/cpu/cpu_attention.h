// Entry points of the fused CPU kernels; cpu_kernels.cpp makes a table of them.
//
// A pass goes over all edges for a group of heads and a tile of columns, and keeps the order of
// sums within a row fixed, so the bits do not depend on the number of threads.
#pragma once

#include "kernels/attention.h"

#include <cstddef>

namespace regatta::cpu {

/// gat of every storage type, with terms of edges and epilogue.
std::size_t gat_forward_bytes(AttentionForwardArgs args);
void gat_forward(const AttentionForwardArgs& args);
std::size_t gat_backward_bytes(AttentionBackwardArgs args);
void gat_backward(const AttentionBackwardArgs& args);

/// dot and gatv2, likewise: attention whose logits compare rows.
std::size_t row_forward_bytes(AttentionForwardArgs args);
void row_forward(const AttentionForwardArgs& args);
std::size_t row_backward_bytes(AttentionBackwardArgs args);
void row_backward(const AttentionBackwardArgs& args);

void attention_weights(const AttentionWeightsArgs& args);
void sparse_project(const SparseProjectionArgs& args);
void sparse_project_backward(const SparseProjectionArgs& args);

}  // namespace regatta::cpu
