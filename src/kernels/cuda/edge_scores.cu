// Kernels over edges in their order, some edges a warp: scores of any kind, attention weights, and
// gradients of dot's scores when they do not have the shape of the messages.
#include "kernels/cuda/edge_logits.cuh"

namespace regatta::cuda {
namespace {

constexpr std::int64_t kEdgesOfWarp = 16;

/// Edges [begin, end) of the first R rows, with the row of each.
struct EdgeWalk {
  const DeviceGraph& graph;
  std::int64_t e, end, row;

  REGATTA_DEVICE EdgeWalk(const DeviceGraph& walked, std::int64_t begin, std::int64_t length)
      : graph(walked), e(begin), end(begin + length), row(0) {
    const std::int64_t total = graph.indptr[graph.rows];
    if (end > total)
      end = total;
    // The last row that begins at or before e; rows without edges are passed by enter().
    std::int64_t low = 0, high = graph.rows;
    while (high - low > 1) {
      const std::int64_t middle = low + (high - low) / 2;
      if (graph.indptr[middle] <= e)
        low = middle;
      else
        high = middle;
    }
    row = low;
  }
  REGATTA_DEVICE bool enter() {
    if (e >= end)
      return false;
    while (graph.indptr[row + 1] <= e) ++row;
    return true;
  }
};

/// e_ij for head s of the scores, by a whole warp; every lane gets it.
template <class T>
REGATTA_DEVICE Working<T> whole_score(
    const DeviceAttention<T>& in, std::int64_t e, std::int64_t i, std::int64_t s, int lane) {
  using W = Working<T>;
  const std::int64_t j = in.graph.src[e];
  if (!in.dot && !in.gatv2) {
    const W u = sum_of_scalars(in, e, j, s, in.t[i * in.heads + s]);
    return u * leaky_slope(u, in.slope);
  }
  W sum = 0;
  if (in.gatv2) {
    for (std::int64_t d = lane; d < in.width; d += kWarp) {
      const W u = widen(in.query[row_at(in, i, s) + d]) + widen(in.value[row_at(in, j, s) + d]) +
                  feature_term(in, e, s, d);
      sum += in.a[s * in.width + d] * u * leaky_slope(u, in.slope);
    }
  } else {
    const T* query = in.query + (i * in.score_heads + s) * in.score_width;
    const T* key = in.key + (j * in.score_heads + s) * in.score_width;
    for (std::int64_t d = lane; d < in.score_width; d += kWarp)
      sum += widen(query[d]) * widen(key[d]);
    sum *= in.scale;
    if (in.edge_query != nullptr)
      for (std::int64_t f = lane; f < in.features; f += kWarp)
        sum += in.edge_query[(i * in.score_heads + s) * in.features + f] *
               in.edge_x[e * in.features + f];
  }
  return warp_sum(sum) + edge_term(in, e, s);
}

template <class T>
REGATTA_KERNEL void scores_kernel(DeviceAttention<T> in,
                                  const Working<T>* logsumexp,
                                  Working<T>* out) {
  const Place here = place();
  for (EdgeWalk walk(in.graph, here.warp * kEdgesOfWarp, kEdgesOfWarp); walk.enter(); ++walk.e)
    for (std::int64_t s = 0; s < in.score_heads; ++s) {
      const Working<T> score = whole_score(in, walk.e, walk.row, s, here.lane);
      if (here.lane == 0)
        out[walk.e * in.score_heads + s] =
            logsumexp == nullptr ? score : exp(score - logsumexp[walk.row * in.score_heads + s]);
    }
}

/// m_ij (<g_ih, (mu value)_jh> + <grad edge_out_ih, x_ij>) of one head, by a whole warp.
template <class T>
REGATTA_DEVICE Working<T> head_product(const DeviceAttention<T>& in,
                                       const DeviceBackward<T>& out,
                                       std::int64_t e,
                                       std::int64_t i,
                                       std::int64_t h,
                                       int lane) {
  const std::int64_t j = in.graph.src[e];
  Working<T> sum = 0;
  for (std::int64_t d = lane; d < in.width; d += kWarp)
    sum += widen(out.grad_out[row_at(in, i, h) + d]) * message_factor(in, j, h * in.width + d) *
           widen(in.value[row_at(in, j, h) + d]);
  if (out.grad_edge_out != nullptr)
    for (std::int64_t f = lane; f < in.features; f += kWarp)
      sum +=
          out.grad_edge_out[(i * in.heads + h) * in.features + f] * in.edge_x[e * in.features + f];
  return warp_sum(sum) * edge_factor(in, e, h);
}

/// Delta of head s of the scores: what its heads have, the part of edge_out, less that of L.
template <class T>
REGATTA_DEVICE Working<T> score_delta(const DeviceAttention<T>& in,
                                      const DeviceBackward<T>& out,
                                      const Working<T>* edge_out,
                                      std::int64_t i,
                                      std::int64_t s,
                                      int lane) {
  const std::int64_t shared = in.heads / in.score_heads;
  Working<T> sum = 0;
  if (out.grad_edge_out != nullptr) {
    const std::int64_t first = (i * in.heads + s * shared) * in.features;
    for (std::int64_t f = lane; f < shared * in.features; f += kWarp)
      sum += out.grad_edge_out[first + f] * edge_out[first + f];
  }
  sum = warp_sum(sum);
  for (std::int64_t h = s * shared; h < (s + 1) * shared; ++h)
    sum += out.records[i * in.heads + h].delta;
  // With as many score heads as heads the records hold it already.
  return out.grad_logsumexp == nullptr || shared == 1
             ? sum
             : sum - out.grad_logsumexp[i * in.score_heads + s];
}

template <class T>
REGATTA_KERNEL void given_gamma_kernel(DeviceAttention<T> in,
                                       DeviceBackward<T> out,
                                       const Working<T>* edge_out) {
  const Place here = place();
  const std::int64_t shared = in.heads / in.score_heads;
  for (EdgeWalk walk(in.graph, here.warp * kEdgesOfWarp, kEdgesOfWarp); walk.enter(); ++walk.e)
    for (std::int64_t s = 0; s < in.score_heads; ++s) {
      Working<T> product = 0;
      for (std::int64_t h = s * shared; h < (s + 1) * shared; ++h)
        product += head_product(in, out, walk.e, walk.row, h, here.lane);
      const Working<T> delta = score_delta(in, out, edge_out, walk.row, s, here.lane);
      const std::int64_t at = walk.e * in.score_heads + s;
      const Working<T> alpha = exp(in.given[at] - out.logsumexp[walk.row * in.score_heads + s]);
      if (here.lane == 0)
        out.grad_logit[at] = alpha * (product - delta);
    }
}

/// One slice of the edges, one thread a column of H*D and eight features.
constexpr std::int64_t kFeatureTile = 8;

template <class T>
REGATTA_KERNEL void edge_weight_kernel(DeviceAttention<T> in,
                                       const Working<T>* gamma,
                                       std::int64_t slices,
                                       Working<T>* partial) {
  using W = Working<T>;
  const std::int64_t row_width = in.heads * in.width;
  const std::int64_t columns = (row_width + kWarp - 1) / kWarp;
  const std::int64_t tiles = (in.features + kFeatureTile - 1) / kFeatureTile;
  const Place here = place();
  const std::int64_t slice = here.warp / (columns * tiles);
  const std::int64_t first = here.warp / columns % tiles * kFeatureTile;
  const std::int64_t column = here.warp % columns * kWarp + here.lane;
  if (slice >= slices || column >= row_width)
    return;
  const std::int64_t h = column / in.width;
  const std::int64_t length = (in.graph.edges + slices - 1) / slices;
  W sum[kFeatureTile] = {};
  for (EdgeWalk walk(in.graph, slice * length, length); walk.enter(); ++walk.e) {
    const std::int64_t j = in.graph.src[walk.e];
    const W u = widen(in.query[walk.row * row_width + column]) +
                widen(in.value[j * row_width + column]) +
                feature_term(in, walk.e, h, column % in.width);
    const W du = gamma[walk.e * in.heads + h] * in.a[column] * leaky_slope(u, in.slope);
    REGATTA_UNROLL
    for (int k = 0; k < kFeatureTile; ++k)
      if (first + k < in.features)
        sum[k] += du * in.edge_x[walk.e * in.features + first + k];
  }
  REGATTA_UNROLL
  for (int k = 0; k < kFeatureTile; ++k)
    if (first + k < in.features)
      partial[(slice * in.features + first + k) * row_width + column] = sum[k];
}

std::int64_t warps_of_edges(const DeviceGraph& graph) {
  return graph.rows == 0 ? 0 : (graph.edges + kEdgesOfWarp - 1) / kEdgesOfWarp;
}

}  // namespace

std::int64_t edge_slices(std::int64_t edges) {
  constexpr std::int64_t kMost = 512, kLength = 256;
  const std::int64_t wanted = (edges + kLength - 1) / kLength;
  return wanted < kMost ? wanted : kMost;
}

template <class T>
cudaError_t launch_scores(const DeviceAttention<T>& in,
                          const Working<T>* logsumexp,
                          Working<T>* out,
                          cudaStream_t stream) {
  return launch(scores_kernel<T>, warps_of_edges(in.graph), stream, in, logsumexp, out);
}

template <class T>
cudaError_t launch_given_gamma(const DeviceAttention<T>& in,
                               const DeviceBackward<T>& gradients,
                               const Working<T>* edge_out,
                               cudaStream_t stream) {
  return launch(given_gamma_kernel<T>, warps_of_edges(in.graph), stream, in, gradients, edge_out);
}

template <class T>
cudaError_t launch_edge_weight(const DeviceAttention<T>& in,
                               const Working<T>* gamma,
                               Working<T>* partial,
                               cudaStream_t stream) {
  const std::int64_t slices = in.graph.rows == 0 ? 0 : edge_slices(in.graph.edges);
  const std::int64_t columns = (in.heads * in.width + kWarp - 1) / kWarp;
  const std::int64_t tiles = (in.features + kFeatureTile - 1) / kFeatureTile;
  return launch(
      edge_weight_kernel<T>, slices * columns * tiles, stream, in, gamma, slices, partial);
}

#define REGATTA_INSTANTIATE(T)                                                               \
  template cudaError_t launch_scores(                                                        \
      const DeviceAttention<T>&, const Working<T>*, Working<T>*, cudaStream_t);              \
  template cudaError_t launch_given_gamma(                                                   \
      const DeviceAttention<T>&, const DeviceBackward<T>&, const Working<T>*, cudaStream_t); \
  template cudaError_t launch_edge_weight(                                                   \
      const DeviceAttention<T>&, const Working<T>*, Working<T>*, cudaStream_t);
REGATTA_INSTANTIATE(float)
REGATTA_INSTANTIATE(double)
REGATTA_INSTANTIATE(BFloat16)

}  // namespace regatta::cuda
