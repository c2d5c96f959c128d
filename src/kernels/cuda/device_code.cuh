// What the kernels use of CUDA itself, and nothing else of it: where a thread stands, exchange
// inside a warp, launches. Under REGATTA_WARP_EXECUTOR the tests' executor stands in for it
// (tests/kernels/warp_executor.h), so that the same sources run without a GPU.
#pragma once

#include <cstdint>

#ifdef REGATTA_WARP_EXECUTOR
#include REGATTA_WARP_EXECUTOR  // a file of the tests
#else
#include <cuda_runtime_api.h>
#endif

#ifdef __CUDACC__
#define REGATTA_DEVICE __device__ __forceinline__
#define REGATTA_BOTH __host__ __device__
#define REGATTA_KERNEL __global__
#define REGATTA_UNROLL _Pragma("unroll")
#else
#define REGATTA_DEVICE inline
#define REGATTA_BOTH
#define REGATTA_KERNEL
#define REGATTA_UNROLL
#endif

namespace regatta::cuda {

constexpr int kWarp = 32;
constexpr int kThreads = 256;

/// A thread's place in a launch. Kernels use warps as their unit; blocks mean nothing to them.
struct Place {
  std::int64_t warp;
  int lane;
  REGATTA_DEVICE std::int64_t thread() const { return warp * kWarp + lane; }
};

#ifdef __CUDACC__

REGATTA_DEVICE Place place() {
  return {static_cast<std::int64_t>(blockIdx.x) * (kThreads / kWarp) + threadIdx.x / kWarp,
          static_cast<int>(threadIdx.x % kWarp)};
}

/// The value of lane `lane ^ mask`. All lanes of the warp call.
template <class T>
REGATTA_DEVICE T exchange(T value, int mask) {
  return __shfl_xor_sync(0xFFFFFFFFU, value, mask);
}

/// Starts `kernel` with at least `warps` warps; the kernel leaves those beyond. A launch of no
/// block is an error to CUDA, so no warp means no launch.
template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...),
                   std::int64_t warps,
                   cudaStream_t stream,
                   const Arguments&... arguments) {
  if (warps == 0)
    return cudaSuccess;
  const std::int64_t blocks = (warps + kThreads / kWarp - 1) / (kThreads / kWarp);
  if (blocks > 0x7FFFFFFF)
    return cudaErrorInvalidConfiguration;
  kernel<<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(arguments...);
  return cudaGetLastError();
}

#elif defined(REGATTA_WARP_EXECUTOR)

inline Place place() {
  return {executor_warp(), executor_lane()};
}

template <class T>
T exchange(T value, int mask) {
  return executor_exchange(value, mask);
}

template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...),
                   std::int64_t warps,
                   cudaStream_t,
                   const Arguments&... arguments) {
  constexpr std::int64_t kWarps = kThreads / kWarp;
  execute_warps((warps + kWarps - 1) / kWarps * kWarps, [&] { kernel(arguments...); });
  return cudaSuccess;
}

#endif

#if defined(__CUDACC__) || defined(REGATTA_WARP_EXECUTOR)

/// Sum over the lanes that differ from this one in the bits `low` (inclusive) to `high`
/// (exclusive), both powers of two; every one of them gets the same bits.
template <class T>
REGATTA_DEVICE T sum_over(T value, int low, int high) {
  for (int mask = low; mask < high; mask *= 2) value += exchange(value, mask);
  return value;
}

template <class T>
REGATTA_DEVICE T warp_sum(T value) {
  return sum_over(value, 1, kWarp);
}

#endif

/// Threads, one an element: how many warps they fill.
inline std::int64_t warps_of(std::int64_t threads) {
  return (threads + kWarp - 1) / kWarp;
}

}  // namespace regatta::cuda
