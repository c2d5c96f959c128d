#include "kernels/cuda/forward_launch.cuh"

namespace regatta::cuda {

template cudaError_t launch_forward(const DeviceAttention<BFloat16>&,
                                    Logits,
                                    const DeviceSchedule&,
                                    const DeviceForward<BFloat16>&,
                                    bool,
                                    cudaStream_t);

}  // namespace regatta::cuda
