// Entry points of the fused CPU kernels, one per pass; cpu_kernels.cpp makes a table of them.
//
// Every pass treats all heads of an edge together (blocks of 16 heads), reads each row of z or g
// once per edge, and keeps the order of sums within a row fixed, so the bits do not depend on the
// number of threads.
#pragma once

#include "kernels/attention.h"

#include <cstddef>

namespace regatta::cpu {

/// mu (.) z for all nodes, [N,H,D] of the inputs' type.
void mask_messages(const AttentionInputs& in, void* masked);

/// gat of every storage type, with terms of edges and epilogue.
std::size_t gat_forward_bytes(AttentionForwardArgs args);
void gat_forward(const AttentionForwardArgs& args);
std::size_t gat_backward_bytes(AttentionBackwardArgs args);
void gat_backward(const AttentionBackwardArgs& args);

/// `value` is z, or mu (.) z from mask_messages.
void dot_forward(const AttentionForwardArgs& args, const void* value);

/// Memory of a backward pass, cut out of the caller's workspace.
struct BackwardScratch {
  void* records = nullptr;  ///< per destination: L, Delta, H each
  void* masked = nullptr;   ///< mu (.) z [N,H,D], only where rows gather it
  void* pieces = nullptr;   ///< rows of H*D for each piece, only with message dropout
};

/// Writes the records and the query part of grad_z.
void dot_backward_rows(const AttentionBackwardArgs& args, const BackwardScratch& scratch);
/// Adds the key and value parts to grad_z.
void dot_backward_sources(const AttentionBackwardArgs& args, const BackwardScratch& scratch);

void attention_weights(const AttentionWeightsArgs& args);
void sparse_project(const SparseProjectionArgs& args);
void sparse_project_backward(const SparseProjectionArgs& args);

/// Rows of H*D that a piece of a backward pass needs: mu, mu (.) z and, for dot, the value
/// gradient.
inline constexpr std::size_t kScratchRows = 3;

}  // namespace regatta::cpu
