// Backward pass: first what belongs to a row (Delta_i, dt_i), then one warp a node and head gathers
// over the node's out-edges, so that nothing is added from two places.
#include "kernels/cuda/edge_device.cuh"

namespace regatta::cuda {
namespace {

template <class T>
__device__ T inner(const T* a, const T* b, std::int64_t width, int lane) {
  T sum = 0;
  for (std::int64_t d = lane; d < width; d += kWarp) {
    sum += a[d] * b[d];
  }
  return warp_sum(sum);
}

/// d loss / d e_ij and the factor of g_i in dz_j.
template <class T>
struct EdgeGradient {
  T logit;
  T message;  ///< alpha_ij m_ij
};

template <class T>
__device__ EdgeGradient<T> edge_gradient(const DeviceAttention<T>& in,
                                         const DeviceGradients<T>& g,
                                         std::int64_t e,
                                         std::int64_t i,
                                         std::int64_t j,
                                         std::int64_t h,
                                         int lane) {
  const T alpha = exp(logit(in, i, j, h, lane) - g.logsumexp[i * in.heads + h]);
  const T factor = edge_factor(in, e, h);
  const T* z = in.z + at(in, j, h);
  const T* grad = g.grad_out + at(in, i, h);
  T p = 0;
  for (std::int64_t d = lane; d < in.width; d += kWarp) {
    p += grad[d] * message_factor(in, j, h, d) * z[d];
  }
  p = warp_sum(p);
  return {alpha * (factor * p - g.delta[i * in.heads + h]), alpha * factor};
}

template <class T>
__device__ T
leaky_slope(const DeviceAttention<T>& in, std::int64_t i, std::int64_t j, std::int64_t h) {
  return sum_of_logits(in, i, j, h) > 0 ? T(1) : in.slope;
}

template <class T>
__global__ void delta_kernel(DeviceAttention<T> in, DeviceGradients<T> g) {
  const WarpItems warp;
  for (std::int64_t item = warp.first; item < in.rows * in.heads; item += warp.step) {
    const T* grad = g.grad_out + item * in.width;
    const T delta = inner(grad, g.out + item * in.width, in.width, warp.lane);
    // dt_i = (1 - slope) <g_i, C_i>: docs/numerics.md §1.
    const bool shortcut = in.gat && g.correction != nullptr;
    const T dt =
        shortcut ? (1 - in.slope) * inner(grad, g.correction + item * in.width, in.width, warp.lane)
                 : T(0);
    if (warp.lane == 0) {
      g.delta[item] = delta;
      if (shortcut) {
        g.grad_t[item] = dt;
      }
    }
  }
}

template <class T>
__global__ void destination_logit_kernel(DeviceAttention<T> in, DeviceGradients<T> g) {
  const WarpItems warp;
  for (std::int64_t item = warp.first; item < in.rows * in.heads; item += warp.step) {
    const std::int64_t i = item / in.heads;
    const std::int64_t h = item % in.heads;
    T sum = 0;
    for (std::int64_t e = in.indptr[i]; e < in.indptr[i + 1]; ++e) {
      const std::int64_t j = in.src[e];
      sum += edge_gradient(in, g, e, i, j, h, warp.lane).logit * leaky_slope(in, i, j, h);
    }
    if (warp.lane == 0) {
      g.grad_t[item] = sum;
    }
  }
}

template <class T>
struct NodeSums {
  T z[kPerLane] = {};
  T s = 0;
};

/// Edges on which node j is the source: messages, and for dot its part in the logits.
template <class T>
__device__ void gather_out_edges(const DeviceAttention<T>& in,
                                 const DeviceGradients<T>& g,
                                 std::int64_t item,
                                 std::int64_t tile,
                                 NodeSums<T>& sums,
                                 int lane) {
  const std::int64_t j = item / in.heads;
  const std::int64_t h = item % in.heads;
  for (std::int64_t k = in.out_ptr[j]; k < in.out_ptr[j + 1]; ++k) {
    const std::int64_t i = in.out_dst[k];
    if (i >= in.rows) {
      break;  // ascending by destination
    }
    const auto edge = edge_gradient(in, g, in.out_edge[k], i, j, h, lane);
    if (in.gat) {
      sums.s += edge.logit * leaky_slope(in, i, j, h);
    }
    for (int n = 0; n < kPerLane; ++n) {
      const std::int64_t d = tile + n * kWarp + lane;
      if (d < in.width) {
        sums.z[n] += edge.message * message_factor(in, j, h, d) * g.grad_out[at(in, i, h) + d];
        if (!in.gat) {
          sums.z[n] += edge.logit * in.scale * in.z[at(in, i, h) + d];
        }
      }
    }
  }
}

/// dot: edges on which the node is the destination.
template <class T>
__device__ void gather_in_edges(const DeviceAttention<T>& in,
                                const DeviceGradients<T>& g,
                                std::int64_t item,
                                std::int64_t tile,
                                NodeSums<T>& sums,
                                int lane) {
  const std::int64_t i = item / in.heads;
  const std::int64_t h = item % in.heads;
  for (std::int64_t e = in.indptr[i]; e < in.indptr[i + 1]; ++e) {
    const std::int64_t j = in.src[e];
    const T gamma = edge_gradient(in, g, e, i, j, h, lane).logit * in.scale;
    for (int n = 0; n < kPerLane; ++n) {
      const std::int64_t d = tile + n * kWarp + lane;
      if (d < in.width) {
        sums.z[n] += gamma * in.z[at(in, j, h) + d];
      }
    }
  }
}

template <class T>
__global__ void node_kernel(DeviceAttention<T> in, DeviceGradients<T> g) {
  const WarpItems warp;
  for (std::int64_t item = warp.first; item < in.nodes * in.heads; item += warp.step) {
    for (std::int64_t tile = 0; tile < in.width; tile += kTile) {
      NodeSums<T> sums;
      gather_out_edges(in, g, item, tile, sums, warp.lane);
      if (!in.gat && item / in.heads < in.rows) {
        gather_in_edges(in, g, item, tile, sums, warp.lane);
      }
      for (int n = 0; n < kPerLane; ++n) {
        const std::int64_t d = tile + n * kWarp + warp.lane;
        if (d < in.width) {
          g.grad_z[item * in.width + d] = sums.z[n];
        }
      }
      if (in.gat && tile == 0 && warp.lane == 0) {
        g.grad_s[item] = sums.s;
      }
    }
  }
}

}  // namespace

template <class T>
cudaError_t launch_backward(const DeviceAttention<T>& in,
                            const DeviceGradients<T>& gradients,
                            cudaStream_t stream) {
  cudaError_t status = launch(delta_kernel<T>, in.rows * in.heads, stream, in, gradients);
  if (status == cudaSuccess && in.gat && gradients.correction == nullptr) {
    status = launch(destination_logit_kernel<T>, in.rows * in.heads, stream, in, gradients);
  }
  return status == cudaSuccess ? launch(node_kernel<T>, in.nodes * in.heads, stream, in, gradients)
                               : status;
}

template cudaError_t launch_backward(const DeviceAttention<float>&,
                                     const DeviceGradients<float>&,
                                     cudaStream_t);
template cudaError_t launch_backward(const DeviceAttention<double>&,
                                     const DeviceGradients<double>&,
                                     cudaStream_t);

}  // namespace regatta::cuda
