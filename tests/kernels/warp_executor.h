// Runs the CUDA kernels' sources on the CPU: a warp is 32 coroutines that meet at every exchange.
//
// It checks what a GPU would not: a lane that ends, or meets another exchange, while the others
// wait for it. It says nothing about speed, memory spaces or the compiled GPU code.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>

using cudaStream_t = void*;
enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidConfiguration = 9 };
inline const char* cudaGetErrorString(cudaError_t) {
  return "warp executor";
}

namespace regatta::cuda {

std::int64_t executor_warp();
int executor_lane();

/// Swaps 8 bytes between lanes whose numbers differ by `mask`; ends the process when the lanes
/// of the warp do not all come.
std::uint64_t executor_swap(std::uint64_t bits, int mask);

template <class T>
T executor_exchange(T value, int mask) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t));
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = executor_swap(bits, mask);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

/// Calls `thread` for each of the 32 lanes of `warps` warps, warp after warp.
void execute_warps(std::int64_t warps, const std::function<void()>& thread);

/// Whether warps run from the first to the last, or from the last to the first (the default).
/// Results must not depend on it.
void execute_in_ascending_order(bool ascending);

}  // namespace regatta::cuda
