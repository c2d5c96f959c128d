// Sparse rows times a dense matrix, and the gradient of that matrix: one warp a row or a feature.
#include "kernels/cuda/edge_device.cuh"

namespace regatta::cuda {
namespace {

template <class T>
__device__ T
entry_value(const DeviceSparse<T>& x, float value, std::int64_t row, std::int64_t feature) {
  if (x.dropout.threshold == 0) {
    return static_cast<T>(value) * static_cast<T>(x.dropout.scale);
  }
  return static_cast<T>(value) *
         static_cast<T>(dropout_factor(x.dropout, x.global_id[row], feature));
}

template <class T>
__global__ void project_kernel(DeviceSparse<T> x, const T* weight, T* out) {
  const WarpItems warp;
  for (std::int64_t row = warp.first; row < x.rows; row += warp.step) {
    for (std::int64_t c = warp.lane; c < x.columns; c += kWarp) {
      T sum = 0;
      for (std::int64_t k = x.row_ptr[row]; k < x.row_ptr[row + 1]; ++k) {
        const std::int64_t feature = x.column[k];
        sum += entry_value(x, x.value[k], row, feature) * weight[feature * x.columns + c];
      }
      out[row * x.columns + c] = sum;
    }
  }
}

template <class T>
__global__ void project_backward_kernel(DeviceSparse<T> x, const T* grad_out, T* grad_weight) {
  const WarpItems warp;
  for (std::int64_t feature = warp.first; feature < x.features; feature += warp.step) {
    for (std::int64_t c = warp.lane; c < x.columns; c += kWarp) {
      T sum = 0;
      for (std::int64_t k = x.column_ptr[feature]; k < x.column_ptr[feature + 1]; ++k) {
        const std::int64_t row = x.column_row[k];
        if (row >= x.rows) {
          break;  // ascending
        }
        sum += entry_value(x, x.column_value[k], row, feature) * grad_out[row * x.columns + c];
      }
      grad_weight[feature * x.columns + c] = sum;
    }
  }
}

}  // namespace

template <class T>
cudaError_t launch_sparse(const DeviceSparse<T>& x, const T* weight, T* out, cudaStream_t stream) {
  return launch(project_kernel<T>, x.rows, stream, x, weight, out);
}

template <class T>
cudaError_t launch_sparse_backward(const DeviceSparse<T>& x,
                                   const T* grad_out,
                                   T* grad_weight,
                                   cudaStream_t stream) {
  return launch(project_backward_kernel<T>, x.features, stream, x, grad_out, grad_weight);
}

template cudaError_t launch_sparse(const DeviceSparse<float>&, const float*, float*, cudaStream_t);
template cudaError_t launch_sparse(const DeviceSparse<double>&,
                                   const double*,
                                   double*,
                                   cudaStream_t);
template cudaError_t launch_sparse_backward(const DeviceSparse<float>&,
                                            const float*,
                                            float*,
                                            cudaStream_t);
template cudaError_t launch_sparse_backward(const DeviceSparse<double>&,
                                            const double*,
                                            double*,
                                            cudaStream_t);

}  // namespace regatta::cuda
