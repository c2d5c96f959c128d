// What the CUDA kernels take: plain structs of device pointers, and the functions that launch them.
//
// Legend as in kernels/attention.h. Results are the same bits on every run: no atomics, each
// element is written by one warp in a fixed order. Every launch returns CUDA's error of the launch.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace regatta::cuda {

struct DeviceDropout {
  std::uint64_t key = 0;
  std::uint32_t threshold = 0;  ///< an element survives when its word reaches it; 0: no dropout
  double scale = 1;             ///< of survivors
};

template <class T>
struct DeviceAttention {
  bool gat = true;
  std::int64_t rows = 0, nodes = 0, heads = 0, width = 0;
  const std::int64_t* indptr = nullptr;
  const std::int32_t* src = nullptr;
  const std::int64_t* edge_id = nullptr;
  const std::int64_t* global_id = nullptr;
  const std::int64_t* out_ptr = nullptr;
  const std::int32_t* out_dst = nullptr;
  const std::int64_t* out_edge = nullptr;
  const T* z = nullptr;
  const T* s = nullptr;
  const T* t = nullptr;
  T slope = 0;
  T scale = 1;
  DeviceDropout attention_dropout;
  DeviceDropout message_dropout;
};

template <class T>
struct DeviceGradients {
  const T* out = nullptr;
  const T* logsumexp = nullptr;
  const T* correction = nullptr;  ///< null: dt comes from the edges
  const T* grad_out = nullptr;
  T* delta = nullptr;  ///< workspace [R,H]: <g_i, O_i>
  T* grad_z = nullptr;
  T* grad_s = nullptr;
  T* grad_t = nullptr;
};

template <class T>
struct DeviceSparse {
  std::int64_t rows = 0, features = 0, columns = 0;
  const std::int64_t* row_ptr = nullptr;
  const std::int32_t* column = nullptr;
  const float* value = nullptr;
  const std::int64_t* global_id = nullptr;
  const std::int64_t* column_ptr = nullptr;
  const std::int32_t* column_row = nullptr;
  const float* column_value = nullptr;
  DeviceDropout dropout;
};

struct ForwardOutputs {
  void* out = nullptr;
  void* logsumexp = nullptr;   ///< may be null
  void* correction = nullptr;  ///< may be null
};

template <class T>
cudaError_t launch_forward(const DeviceAttention<T>& in,
                           const ForwardOutputs& outputs,
                           cudaStream_t stream);
template <class T>
cudaError_t launch_weights(const DeviceAttention<T>& in,
                           const T* logsumexp,
                           T* weights,
                           cudaStream_t stream);
template <class T>
cudaError_t launch_backward(const DeviceAttention<T>& in,
                            const DeviceGradients<T>& gradients,
                            cudaStream_t stream);
template <class T>
cudaError_t launch_sparse(const DeviceSparse<T>& x, const T* weight, T* out, cudaStream_t stream);
template <class T>
cudaError_t launch_sparse_backward(const DeviceSparse<T>& x,
                                   const T* grad_out,
                                   T* grad_weight,
                                   cudaStream_t stream);

}  // namespace regatta::cuda
