// Checks what CUDA and NCCL return; included only by comm/nccl_*.cpp.
#pragma once

#include "core/error.h"

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <string_view>

namespace regatta::detail {

struct DeviceCall {
  const char* call;
  const char* file;
  int line;
  int rank;
};

[[noreturn]] inline void device_call_failed(const DeviceCall& at,
                                            const char* reason,
                                            const char* more) {
  const std::string_view call = at.call;
  const std::string_view file = at.file;
  fail(ExitCode::kCommunication,
       "rank {}: {} failed at {}:{}: {}{}{}",
       at.rank,
       call.substr(0, call.find('(')),
       file.substr(file.find_last_of('/') + 1),
       at.line,
       reason,
       *more == '\0' ? "" : ": ",
       more);
}

inline void check_cuda(cudaError_t status, const DeviceCall& at) {
  if (status != cudaSuccess) {
    device_call_failed(at, cudaGetErrorString(status), "");
  }
}

/// A communicator that does not block answers "in progress" to a call that is still being carried
/// out.
inline void check_nccl(ncclResult_t status, ncclComm_t comm, const DeviceCall& at) {
  if (status != ncclSuccess && status != ncclInProgress) {
    device_call_failed(at, ncclGetErrorString(status), ncclGetLastError(comm));
  }
}

}  // namespace regatta::detail

#define REGATTA_CUDA(rank, call) \
  ::regatta::detail::check_cuda((call), {#call, __FILE__, __LINE__, (rank)})
#define REGATTA_NCCL(rank, comm, call) \
  ::regatta::detail::check_nccl((call), (comm), {#call, __FILE__, __LINE__, (rank)})
