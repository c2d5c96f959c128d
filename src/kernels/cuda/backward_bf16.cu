#include "kernels/cuda/backward_calls.cuh"

namespace regatta::cuda {

template cudaError_t launch_prepare(const DeviceAttention<BFloat16>&,
                                    const DeviceBackward<BFloat16>&,
                                    bool,
                                    cudaStream_t);
template std::int64_t row_task_groups(const DeviceAttention<BFloat16>&,
                                      const DeviceSchedule&,
                                      bool);
template cudaError_t launch_backward_rows(const DeviceAttention<BFloat16>&,
                                          Logits,
                                          const DeviceSchedule&,
                                          const DeviceBackward<BFloat16>&,
                                          bool,
                                          cudaStream_t);
template cudaError_t launch_backward_nodes(const DeviceAttention<BFloat16>&,
                                           Logits,
                                           const DeviceSchedule&,
                                           const DeviceBackward<BFloat16>&,
                                           bool,
                                           cudaStream_t);

}  // namespace regatta::cuda
