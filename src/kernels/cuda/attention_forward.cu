// Forward pass and attention weights: one warp a row and head.
#include "kernels/cuda/edge_device.cuh"

namespace regatta::cuda {
namespace {

/// log(sum(exp(e_ij))) of one row and head, in one pass; 0 for an empty row.
template <class T>
__device__ T row_logsumexp(const DeviceAttention<T>& in, std::int64_t i, std::int64_t h, int lane) {
  const std::int64_t begin = in.indptr[i];
  const std::int64_t end = in.indptr[i + 1];
  if (begin == end) {
    return 0;
  }
  T maximum = logit(in, i, in.src[begin], h, lane);
  T sum = 1;
  for (std::int64_t e = begin + 1; e < end; ++e) {
    const T value = logit(in, i, in.src[e], h, lane);
    if (value > maximum) {
      sum = sum * exp(maximum - value) + 1;
      maximum = value;
    } else {
      sum += exp(value - maximum);
    }
  }
  return maximum + log(sum);
}

template <class T>
struct ForwardTargets {
  T* out;
  T* logsumexp;
  T* correction;
};

/// Elements [tile, tile + kTile) of O_i and C_i.
template <class T>
__device__ void sum_messages(const DeviceAttention<T>& in,
                             std::int64_t item,
                             std::int64_t tile,
                             T row_l,
                             const ForwardTargets<T>& targets,
                             int lane) {
  const std::int64_t i = item / in.heads;
  const std::int64_t h = item % in.heads;
  T all[kPerLane] = {};
  T positive[kPerLane] = {};
  T positive_weight = 0;
  for (std::int64_t e = in.indptr[i]; e < in.indptr[i + 1]; ++e) {
    const std::int64_t j = in.src[e];
    const T alpha = exp(logit(in, i, j, h, lane) - row_l);
    const bool above = in.gat && sum_of_logits(in, i, j, h) > 0;
    const T weight = alpha * edge_factor(in, e, h);
    positive_weight += above ? alpha : T(0);
    for (int k = 0; k < kPerLane; ++k) {
      const std::int64_t d = tile + k * kWarp + lane;
      if (d < in.width) {
        const T message = weight * message_factor(in, j, h, d) * in.z[at(in, j, h) + d];
        all[k] += message;
        positive[k] += above ? message : T(0);
      }
    }
  }
  for (int k = 0; k < kPerLane; ++k) {
    const std::int64_t d = tile + k * kWarp + lane;
    if (d < in.width) {
      targets.out[item * in.width + d] = all[k];
      if (in.gat && targets.correction != nullptr) {
        targets.correction[item * in.width + d] = positive[k] - positive_weight * all[k];
      }
    }
  }
}

template <class T>
__global__ void forward_kernel(DeviceAttention<T> in, ForwardTargets<T> targets) {
  const WarpItems warp;
  for (std::int64_t item = warp.first; item < in.rows * in.heads; item += warp.step) {
    const T row_l = row_logsumexp(in, item / in.heads, item % in.heads, warp.lane);
    if (targets.logsumexp != nullptr && warp.lane == 0) {
      targets.logsumexp[item] = row_l;
    }
    for (std::int64_t tile = 0; tile < in.width; tile += kTile) {
      sum_messages(in, item, tile, row_l, targets, warp.lane);
    }
  }
}

template <class T>
__global__ void weights_kernel(DeviceAttention<T> in, const T* logsumexp, T* weights) {
  const WarpItems warp;
  for (std::int64_t item = warp.first; item < in.rows * in.heads; item += warp.step) {
    const std::int64_t i = item / in.heads;
    const std::int64_t h = item % in.heads;
    for (std::int64_t e = in.indptr[i]; e < in.indptr[i + 1]; ++e) {
      const T alpha = exp(logit(in, i, in.src[e], h, warp.lane) - logsumexp[item]);
      if (warp.lane == 0) {
        weights[e * in.heads + h] = alpha;
      }
    }
  }
}

}  // namespace

template <class T>
cudaError_t launch_forward(const DeviceAttention<T>& in,
                           const ForwardOutputs& outputs,
                           cudaStream_t stream) {
  const ForwardTargets<T> targets = {static_cast<T*>(outputs.out),
                                     static_cast<T*>(outputs.logsumexp),
                                     static_cast<T*>(outputs.correction)};
  return launch(forward_kernel<T>, in.rows * in.heads, stream, in, targets);
}

template <class T>
cudaError_t launch_weights(const DeviceAttention<T>& in,
                           const T* logsumexp,
                           T* weights,
                           cudaStream_t stream) {
  return launch(weights_kernel<T>, in.rows * in.heads, stream, in, logsumexp, weights);
}

template cudaError_t launch_forward(const DeviceAttention<float>&,
                                    const ForwardOutputs&,
                                    cudaStream_t);
template cudaError_t launch_forward(const DeviceAttention<double>&,
                                    const ForwardOutputs&,
                                    cudaStream_t);
template cudaError_t launch_weights(const DeviceAttention<float>&,
                                    const float*,
                                    float*,
                                    cudaStream_t);
template cudaError_t launch_weights(const DeviceAttention<double>&,
                                    const double*,
                                    double*,
                                    cudaStream_t);

}  // namespace regatta::cuda
