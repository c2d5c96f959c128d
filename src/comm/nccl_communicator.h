// The communicator over NCCL; part of libregatta_cuda.so.
#pragma once

#include "comm/communicator.h"

#include <cuda_runtime_api.h>

#include <memory>
#include <string>

namespace regatta {

struct NcclOptions {
  int device = 0;  ///< this rank's GPU
  cudaStream_t (*compute_stream)() =
      nullptr;  ///< where buffers are filled and read; null: default stream
};

/// Reduces device memory over NCCL on a stream of its own; everything else, host memory too, goes
/// through `mpi`, which must outlive the result. Bit-or has no NCCL counterpart: on device memory
/// it throws Error(kInternal). Collective over `mpi`. Throws Error(kDevice) on every rank when two
/// ranks share a GPU, and Error(kCommunication) with NCCL's message.
std::unique_ptr<Communicator> make_nccl_communicator(Communicator& mpi, const NcclOptions& options);

std::string nccl_version();  ///< "2.28.9"

}  // namespace regatta
