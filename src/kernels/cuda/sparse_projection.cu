// Sparse rows times a dense matrix, and the gradient of that matrix: one warp a row or a feature
// and 32 columns.
#include "kernels/cuda/device_math.cuh"

namespace regatta::cuda {
namespace {

template <class T>
REGATTA_DEVICE Working<T> entry_value(const DeviceSparse<T>& x,
                                      float value,
                                      std::int64_t row,
                                      std::int64_t feature) {
  if (!x.dropout.on)
    return value;
  return static_cast<Working<T>>(value) *
         static_cast<Working<T>>(dropout_factor(x.dropout, x.global_id[row], feature));
}

/// Warps go round items times blocks of 32 columns.
struct ColumnBlock {
  std::int64_t item, column;
  REGATTA_DEVICE ColumnBlock(const Place& here, std::int64_t columns) {
    const std::int64_t blocks = (columns + kWarp - 1) / kWarp;
    item = here.warp / blocks;
    column = here.warp % blocks * kWarp + here.lane;
  }
};

template <class T>
REGATTA_KERNEL void project_kernel(DeviceSparse<T> x, const T* weight, T* out) {
  const ColumnBlock at(place(), x.columns);
  if (at.item >= x.rows || at.column >= x.columns)
    return;
  Working<T> sum = 0;
  for (std::int64_t k = x.row_ptr[at.item]; k < x.row_ptr[at.item + 1]; ++k) {
    const std::int64_t feature = x.column[k];
    sum += entry_value(x, x.value[k], at.item, feature) *
           widen(weight[feature * x.columns + at.column]);
  }
  out[at.item * x.columns + at.column] = narrow<T>(sum);
}

template <class T>
REGATTA_KERNEL void project_backward_kernel(DeviceSparse<T> x,
                                            const T* grad_out,
                                            Working<T>* grad_weight) {
  const ColumnBlock at(place(), x.columns);
  if (at.item >= x.features || at.column >= x.columns)
    return;
  Working<T> sum = 0;
  for (std::int64_t k = x.column_ptr[at.item]; k < x.column_ptr[at.item + 1]; ++k) {
    const std::int64_t row = x.column_row[k];
    if (row >= x.rows)
      break;  // ascending
    sum += entry_value(x, x.column_value[k], row, at.item) *
           widen(grad_out[row * x.columns + at.column]);
  }
  grad_weight[at.item * x.columns + at.column] = sum;
}

}  // namespace

template <class T>
cudaError_t launch_sparse(const DeviceSparse<T>& x, const T* weight, T* out, cudaStream_t stream) {
  return launch(project_kernel<T>, x.rows * warps_of(x.columns), stream, x, weight, out);
}

template <class T>
cudaError_t launch_sparse_backward(const DeviceSparse<T>& x,
                                   const T* grad_out,
                                   Working<T>* grad_weight,
                                   cudaStream_t stream) {
  return launch(project_backward_kernel<T>,
                x.features * warps_of(x.columns),
                stream,
                x,
                grad_out,
                grad_weight);
}

#define REGATTA_INSTANTIATE(T)                                                            \
  template cudaError_t launch_sparse(const DeviceSparse<T>&, const T*, T*, cudaStream_t); \
  template cudaError_t launch_sparse_backward(                                            \
      const DeviceSparse<T>&, const T*, Working<T>*, cudaStream_t);
REGATTA_INSTANTIATE(float)
REGATTA_INSTANTIATE(double)
REGATTA_INSTANTIATE(BFloat16)

}  // namespace regatta::cuda
