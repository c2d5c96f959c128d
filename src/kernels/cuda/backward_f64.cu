#include "kernels/cuda/backward_calls.cuh"

namespace regatta::cuda {

template cudaError_t launch_prepare(const DeviceAttention<double>&,
                                    const DeviceBackward<double>&,
                                    bool,
                                    cudaStream_t);
template std::int64_t row_task_groups(const DeviceAttention<double>&, const DeviceSchedule&, bool);
template cudaError_t launch_backward_rows(const DeviceAttention<double>&,
                                          Logits,
                                          const DeviceSchedule&,
                                          const DeviceBackward<double>&,
                                          bool,
                                          cudaStream_t);
template cudaError_t launch_backward_nodes(const DeviceAttention<double>&,
                                           Logits,
                                           const DeviceSchedule&,
                                           const DeviceBackward<double>&,
                                           bool,
                                           cudaStream_t);

}  // namespace regatta::cuda
