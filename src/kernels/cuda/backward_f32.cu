#include "kernels/cuda/backward_calls.cuh"

namespace regatta::cuda {

template cudaError_t launch_prepare(const DeviceAttention<float>&,
                                    const DeviceBackward<float>&,
                                    bool,
                                    cudaStream_t);
template std::int64_t row_task_groups(const DeviceAttention<float>&, const DeviceSchedule&, bool);
template cudaError_t launch_backward_rows(const DeviceAttention<float>&,
                                          Logits,
                                          const DeviceSchedule&,
                                          const DeviceBackward<float>&,
                                          bool,
                                          cudaStream_t);
template cudaError_t launch_backward_nodes(const DeviceAttention<float>&,
                                           Logits,
                                           const DeviceSchedule&,
                                           const DeviceBackward<float>&,
                                           bool,
                                           cudaStream_t);

}  // namespace regatta::cuda
