#include "kernels/cuda/forward_launch.cuh"

namespace regatta::cuda {

template cudaError_t launch_forward(const DeviceAttention<double>&,
                                    Logits,
                                    const DeviceSchedule&,
                                    const DeviceForward<double>&,
                                    bool,
                                    cudaStream_t);

}  // namespace regatta::cuda
