#include "kernels/cuda/forward_launch.cuh"

namespace regatta::cuda {

template cudaError_t launch_forward(const DeviceAttention<float>&,
                                    Logits,
                                    const DeviceSchedule&,
                                    const DeviceForward<float>&,
                                    bool,
                                    cudaStream_t);

}  // namespace regatta::cuda
