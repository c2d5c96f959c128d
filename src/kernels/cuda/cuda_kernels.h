// The kernel table over device pointers; part of libregatta_cuda.so.
#pragma once

#include "kernels/attention.h"
#include "kernels/cuda/device_code.cuh"

namespace regatta {

/// Same contracts as every table; all array arguments, the graph's arrays too, are device memory,
/// and the graph has its degree schedules (kernels/prepared_graph.h). Kernels are put on the stream
/// of set_kernel_stream_source() and not waited for. Equal bits on every run. Throws Error(kDevice)
/// with CUDA's message.
const KernelTable& cuda_kernels();

/// Asked before each launch for the stream to use; the default stream until it is set.
void set_kernel_stream_source(cudaStream_t (*source)());

}  // namespace regatta
