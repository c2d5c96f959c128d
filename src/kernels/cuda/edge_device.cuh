// What the kernels need of one edge, computed by a whole warp; and how a launch covers its items.
#pragma once

#include "kernels/cuda/device_attention.h"

#include <Random123/philox.h>

namespace regatta::cuda {

constexpr int kWarp = 32;
constexpr int kThreads = 256;
constexpr int kPerLane = 4;                   ///< accumulators of a lane
constexpr int kTile = kWarp * kPerLane;       ///< elements of a head that a warp sums at once
constexpr std::int64_t kMaxBlocks = 1 << 20;  ///< more items are strided over

/// Items go round the warps of the grid. Every lane of a warp has the same item.
struct WarpItems {
  std::int64_t first, step;
  int lane;
  __device__ WarpItems()
      : first((static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / kWarp),
        step(static_cast<std::int64_t>(gridDim.x) * blockDim.x / kWarp),
        lane(static_cast<int>(threadIdx.x % kWarp)) {}
};

/// A launch of no block is an error to CUDA, so no item means no launch.
template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...),
                   std::int64_t items,
                   cudaStream_t stream,
                   const Arguments&... arguments) {
  if (items == 0) {
    return cudaSuccess;
  }
  constexpr std::int64_t kItems = kThreads / kWarp;
  const std::int64_t wanted = (items + kItems - 1) / kItems;
  const auto blocks = static_cast<unsigned>(wanted < kMaxBlocks ? wanted : kMaxBlocks);
  kernel<<<blocks, kThreads, 0, stream>>>(arguments...);
  return cudaGetLastError();
}

/// Sum over the warp; every lane gets the same bits.
template <class T>
__device__ T warp_sum(T value) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    value += __shfl_xor_sync(0xFFFFFFFFU, value, offset);
  }
  return value;
}

/// 0 or the survivors' scale for element `element` of the thing with this id: the words of
/// core/rng.
__device__ inline double dropout_factor(const DeviceDropout& dropout,
                                        std::int64_t id,
                                        std::int64_t element) {
  if (dropout.threshold == 0) {
    return dropout.scale;
  }
  const auto counter = static_cast<std::uint64_t>(id);
  const auto group = static_cast<std::uint64_t>(element / 4);
  const r123::Philox4x32::ctr_type c = {{static_cast<std::uint32_t>(counter),
                                         static_cast<std::uint32_t>(counter >> 32),
                                         static_cast<std::uint32_t>(group),
                                         static_cast<std::uint32_t>(group >> 32)}};
  const r123::Philox4x32::key_type k = {
      {static_cast<std::uint32_t>(dropout.key), static_cast<std::uint32_t>(dropout.key >> 32)}};
  const auto words = r123::Philox4x32{}(c, k);
  return words[static_cast<unsigned>(element % 4)] >= dropout.threshold ? dropout.scale : 0.0;
}

template <class T>
__device__ std::int64_t at(const DeviceAttention<T>& in, std::int64_t node, std::int64_t h) {
  return (node * in.heads + h) * in.width;
}

/// gat: u = s_j + t_i before LeakyReLU.
template <class T>
__device__ T
sum_of_logits(const DeviceAttention<T>& in, std::int64_t i, std::int64_t j, std::int64_t h) {
  return in.s[j * in.heads + h] + in.t[i * in.heads + h];
}

/// e_ij of head h; all lanes call, all get it.
template <class T>
__device__ T
logit(const DeviceAttention<T>& in, std::int64_t i, std::int64_t j, std::int64_t h, int lane) {
  if (in.gat) {
    const T u = sum_of_logits(in, i, j, h);
    return u > 0 ? u : u * in.slope;
  }
  const T* a = in.z + at(in, i, h);
  const T* b = in.z + at(in, j, h);
  T sum = 0;
  for (std::int64_t d = lane; d < in.width; d += kWarp) {
    sum += a[d] * b[d];
  }
  return warp_sum(sum) * in.scale;
}

/// m_ij
template <class T>
__device__ T edge_factor(const DeviceAttention<T>& in, std::int64_t e, std::int64_t h) {
  if (in.attention_dropout.threshold == 0) {
    return static_cast<T>(in.attention_dropout.scale);
  }
  return static_cast<T>(dropout_factor(in.attention_dropout, in.edge_id[e], h));
}

/// mu_jd
template <class T>
__device__ T
message_factor(const DeviceAttention<T>& in, std::int64_t j, std::int64_t h, std::int64_t d) {
  if (in.message_dropout.threshold == 0) {
    return static_cast<T>(in.message_dropout.scale);
  }
  return static_cast<T>(dropout_factor(in.message_dropout, in.global_id[j], h * in.width + d));
}

}  // namespace regatta::cuda
