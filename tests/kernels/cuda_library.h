// libregatta_cuda.so for programs that run the CUDA table on a GPU, and graphs in its memory.
#pragma once

#include "core/cuda_library.h"
#include "kernels/attention.h"
#include "kernels/prepared_graph.h"

#include <ATen/core/Tensor.h>

#include <string>

namespace regatta::test {

/// The library named by REGATTA_CUDA_LIBRARY, else that of this build, else one beside the program;
/// null with the reason when there is none.
const CudaPlugin* find_cuda_library(std::string* why);

/// find_cuda_library with GPU 0 selected; throws std::runtime_error without either.
const CudaPlugin& plugin();

/// The graph and its degree schedules in the memory of GPU 0.
PreparedGraph on_device(PreparedGraph graph);
PreparedSparse on_device(PreparedSparse x);

}  // namespace regatta::test
