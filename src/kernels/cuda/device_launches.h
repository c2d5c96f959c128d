// The functions that launch the CUDA kernels. Legend as in kernels/attention.h.
//
// Results are the same bits on every run: no atomics, every element is written by one thread, sums
// have a fixed order that depends on the graph and the shapes alone. Every launch returns CUDA's
// error of the launch.
#pragma once

#include "kernels/cuda/device_attention.h"

namespace regatta::cuda {

// ---- forward_launch.cuh, backward_calls.cuh: kernels over the degree schedule ----
template <class T>
cudaError_t launch_forward(const DeviceAttention<T>& in,
                           Logits logits,
                           const DeviceSchedule& rows,
                           const DeviceForward<T>& out,
                           bool aligned,
                           cudaStream_t stream);
/// g through the activation; records; grad_residual; dt where there is a correction.
template <class T>
cudaError_t launch_prepare(const DeviceAttention<T>& in,
                           const DeviceBackward<T>& gradients,
                           bool aligned,
                           cudaStream_t stream);
/// gatv2, dot: over the in-edges of each row.
template <class T>
cudaError_t launch_backward_rows(const DeviceAttention<T>& in,
                                 Logits logits,
                                 const DeviceSchedule& rows,
                                 const DeviceBackward<T>& gradients,
                                 bool aligned,
                                 cudaStream_t stream);
/// How many rows of vector_partial that fills.
template <class T>
std::int64_t row_task_groups(const DeviceAttention<T>& in,
                             const DeviceSchedule& rows,
                             bool aligned);
/// All kinds: over the out-edges of each node.
template <class T>
cudaError_t launch_backward_nodes(const DeviceAttention<T>& in,
                                  Logits logits,
                                  const DeviceSchedule& nodes,
                                  const DeviceBackward<T>& gradients,
                                  bool aligned,
                                  cudaStream_t stream);

// ---- edge_scores.cu, sums.cu: one warp some edges, one thread an element ----
/// out [E,Hs] = e_ij, or alpha_ij = exp(e_ij - L_i) when logsumexp is given.
template <class T>
cudaError_t launch_scores(const DeviceAttention<T>& in,
                          const Working<T>* logsumexp,
                          Working<T>* out,
                          cudaStream_t stream);
/// Bits of the message dropout of the first N nodes.
template <class T>
cudaError_t launch_survivors(const DeviceAttention<T>& in,
                             std::uint32_t* bits,
                             cudaStream_t stream);
/// kGiven: gamma [E,Hs] from records of delta per head (delta of shared logits is summed here).
template <class T>
cudaError_t launch_given_gamma(const DeviceAttention<T>& in,
                               const DeviceBackward<T>& gradients,
                               const Working<T>* edge_out,
                               cudaStream_t stream);
/// kGiven: gradients of query and key from gamma; with one table both go to query_sums.
template <class T>
cudaError_t launch_given_tables(const DeviceAttention<T>& in,
                                const DeviceBackward<T>& gradients,
                                cudaStream_t stream);
/// out [R,H,Fe] = sum_j alpha m x (L given), or [R,Hs,Fe] = sum_j gamma x (L null).
template <class T>
cudaError_t launch_feature_sums(const DeviceAttention<T>& in,
                                const Working<T>* scores,
                                const Working<T>* logsumexp,
                                Working<T>* out,
                                cudaStream_t stream);
/// dt_i = sum_j delta_ij.
template <class T>
cudaError_t launch_row_sums(const DeviceAttention<T>& in,
                            const Working<T>* delta,
                            Working<T>* out,
                            cudaStream_t stream);
/// gatv2: sums over slices of the edges of gamma a LeakyReLU'(u) x [slices, Fe, H, D].
template <class T>
cudaError_t launch_edge_weight(const DeviceAttention<T>& in,
                               const Working<T>* gamma,
                               Working<T>* partial,
                               cudaStream_t stream);
std::int64_t edge_slices(std::int64_t edges);

/// out [columns] = sums over the rows of `in`, in two stages; space: column_sum_space() elements.
template <class S>
cudaError_t launch_column_sums(const S* in,
                               std::int64_t rows,
                               std::int64_t columns,
                               Working<S>* space,
                               Working<S>* out,
                               cudaStream_t stream);
std::int64_t column_sum_space(std::int64_t rows, std::int64_t columns);

/// out = mask (.) x, four features a thread.
template <class W>
cudaError_t launch_feature_dropout(const DeviceFeatures<W>& features, cudaStream_t stream);

template <class T>
cudaError_t launch_sparse(const DeviceSparse<T>& x, const T* weight, T* out, cudaStream_t stream);
template <class T>
cudaError_t launch_sparse_backward(const DeviceSparse<T>& x,
                                   const T* grad_out,
                                   Working<T>* grad_weight,
                                   cudaStream_t stream);

}  // namespace regatta::cuda
