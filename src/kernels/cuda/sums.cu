// Kernels of one thread an element: weighted sums over the edges of a row or node, sums of columns
// in two stages, and the bits of message dropout.
#include "kernels/cuda/edge_logits.cuh"

namespace regatta::cuda {
namespace {

/// 32 bits of mu a thread.
template <class T>
REGATTA_KERNEL void survivors_kernel(DeviceAttention<T> in, std::uint32_t* bits) {
  const std::int64_t thread = place().thread();
  const std::int64_t j = thread / in.mask_words;
  if (j >= in.graph.nodes)
    return;
  const std::int64_t first = thread % in.mask_words * 32;
  const std::int64_t id = in.graph.global_id[j];
  std::uint32_t word = 0;
  for (std::int64_t k = 0; k < 32 && first + k < in.heads * in.width; ++k)
    if (dropout_factor(in.message_dropout, id, first + k) != 0)
      word |= std::uint32_t{1} << k;
  bits[thread] = word;
}

/// grad_query_i = scale sum_j gamma_ij key_j
template <class T>
REGATTA_KERNEL void given_query_kernel(DeviceAttention<T> in, DeviceBackward<T> out) {
  const std::int64_t row_width = in.score_heads * in.score_width;
  const std::int64_t thread = place().thread();
  const std::int64_t i = thread / row_width, column = thread % row_width;
  if (i >= in.graph.rows)
    return;
  const std::int64_t s = column / in.score_width;
  Working<T> sum = 0;
  for (std::int64_t e = in.graph.indptr[i]; e < in.graph.indptr[i + 1]; ++e)
    sum += out.grad_logit[e * in.score_heads + s] *
           widen(in.key[in.graph.src[e] * row_width + column]);
  if (out.query_sums != nullptr)
    out.query_sums[thread] = sum * in.scale;
  else
    out.grad_query[thread] = narrow<T>(sum * in.scale);
}

/// grad_key_j = scale sum_i gamma_ij query_i
template <class T>
REGATTA_KERNEL void given_key_kernel(DeviceAttention<T> in, DeviceBackward<T> out) {
  const std::int64_t row_width = in.score_heads * in.score_width;
  const std::int64_t thread = place().thread();
  const std::int64_t j = thread / row_width, column = thread % row_width;
  if (j >= in.graph.nodes)
    return;
  const std::int64_t s = column / in.score_width;
  Working<T> sum = 0;
  for (std::int64_t k = in.graph.out_ptr[j]; k < in.graph.out_ptr[j + 1]; ++k) {
    const std::int64_t i = in.graph.out_dst[k];
    if (i >= in.graph.rows)
      break;  // ascending
    sum += out.grad_logit[in.graph.out_edge[k] * in.score_heads + s] *
           widen(in.query[i * row_width + column]);
  }
  if (out.query_sums != nullptr)
    out.query_sums[thread] =
        sum * in.scale + (j < in.graph.rows ? out.query_sums[thread] : Working<T>(0));
  else
    out.grad_key[thread] = narrow<T>(sum * in.scale);
}

/// Sums of the edges' features: of messages (one for each head) or of gradients of scores.
template <class T>
REGATTA_KERNEL void feature_sums_kernel(DeviceAttention<T> in,
                                        const Working<T>* scores,
                                        const Working<T>* logsumexp,
                                        Working<T>* out) {
  const std::int64_t heads = logsumexp != nullptr ? in.heads : in.score_heads;
  const std::int64_t thread = place().thread();
  const std::int64_t i = thread / (heads * in.features);
  if (i >= in.graph.rows)
    return;
  const std::int64_t h = thread / in.features % heads, f = thread % in.features;
  const std::int64_t s = in.score_heads == 1 ? 0 : h;
  Working<T> sum = 0;
  for (std::int64_t e = in.graph.indptr[i]; e < in.graph.indptr[i + 1]; ++e) {
    Working<T> weight = scores[e * in.score_heads + s];
    if (logsumexp != nullptr)
      weight = exp(weight - logsumexp[i * in.score_heads + s]) * edge_factor(in, e, h);
    sum += weight * in.edge_x[e * in.features + f];
  }
  out[thread] = sum;
}

/// One warp a row and head.
template <class T>
REGATTA_KERNEL void row_sums_kernel(DeviceAttention<T> in,
                                    const Working<T>* delta,
                                    Working<T>* out) {
  const Place here = place();
  const std::int64_t i = here.warp / in.heads, h = here.warp % in.heads;
  if (i >= in.graph.rows)
    return;
  Working<T> sum = 0;
  for (std::int64_t e = in.graph.indptr[i] + here.lane; e < in.graph.indptr[i + 1]; e += kWarp)
    sum += delta[e * in.heads + h];
  sum = warp_sum(sum);
  if (here.lane == 0)
    out[here.warp] = sum;
}

/// Rows that a thread of the first stage adds: a function of their number alone.
constexpr std::int64_t kFirstStage = 512;

std::int64_t rows_of_slab(std::int64_t rows) {
  constexpr std::int64_t kLeast = 64;
  const std::int64_t wanted = (rows + kFirstStage - 1) / kFirstStage;
  return wanted > kLeast ? wanted : kLeast;
}

std::int64_t slabs_of(std::int64_t rows) {
  return (rows + rows_of_slab(rows) - 1) / rows_of_slab(rows);
}

template <class S>
REGATTA_KERNEL void column_sums_kernel(const S* in,
                                       std::int64_t rows,
                                       std::int64_t columns,
                                       std::int64_t slab,
                                       std::int64_t slabs,
                                       Working<S>* out) {
  const std::int64_t thread = place().thread();
  const std::int64_t part = thread / columns, column = thread % columns;
  if (part >= slabs)
    return;
  const std::int64_t end = (part + 1) * slab < rows ? (part + 1) * slab : rows;
  Working<S> sum = 0;
  for (std::int64_t row = part * slab; row < end; ++row) sum += widen(in[row * columns + column]);
  out[thread] = sum;
}

}  // namespace

template <class T>
cudaError_t launch_survivors(const DeviceAttention<T>& in,
                             std::uint32_t* bits,
                             cudaStream_t stream) {
  return launch(survivors_kernel<T>, warps_of(in.graph.nodes * in.mask_words), stream, in, bits);
}

template <class T>
cudaError_t launch_given_tables(const DeviceAttention<T>& in,
                                const DeviceBackward<T>& gradients,
                                cudaStream_t stream) {
  const std::int64_t row_width = in.score_heads * in.score_width;
  const cudaError_t status =
      launch(given_query_kernel<T>, warps_of(in.graph.rows * row_width), stream, in, gradients);
  return status != cudaSuccess ? status
                               : launch(given_key_kernel<T>,
                                        warps_of(in.graph.nodes * row_width),
                                        stream,
                                        in,
                                        gradients);
}

template <class T>
cudaError_t launch_feature_sums(const DeviceAttention<T>& in,
                                const Working<T>* scores,
                                const Working<T>* logsumexp,
                                Working<T>* out,
                                cudaStream_t stream) {
  const std::int64_t heads = logsumexp != nullptr ? in.heads : in.score_heads;
  return launch(feature_sums_kernel<T>,
                warps_of(in.graph.rows * heads * in.features),
                stream,
                in,
                scores,
                logsumexp,
                out);
}

template <class T>
cudaError_t launch_row_sums(const DeviceAttention<T>& in,
                            const Working<T>* delta,
                            Working<T>* out,
                            cudaStream_t stream) {
  return launch(row_sums_kernel<T>, in.graph.rows * in.heads, stream, in, delta, out);
}

std::int64_t column_sum_space(std::int64_t rows, std::int64_t columns) {
  return slabs_of(rows) * columns;
}

template <class S>
cudaError_t launch_column_sums(const S* in,
                               std::int64_t rows,
                               std::int64_t columns,
                               Working<S>* space,
                               Working<S>* out,
                               cudaStream_t stream) {
  const std::int64_t slabs = slabs_of(rows);
  const cudaError_t status = launch(column_sums_kernel<S>,
                                    warps_of(slabs * columns),
                                    stream,
                                    in,
                                    rows,
                                    columns,
                                    rows_of_slab(rows),
                                    slabs,
                                    space);
  // Without rows the second stage stores zeros.
  return status != cudaSuccess ? status
                               : launch(column_sums_kernel<Working<S>>,
                                        warps_of(columns),
                                        stream,
                                        static_cast<const Working<S>*>(space),
                                        slabs,
                                        columns,
                                        slabs,
                                        std::int64_t{1},
                                        out);
}

#define REGATTA_INSTANTIATE(T)                                                                     \
  template cudaError_t launch_survivors(const DeviceAttention<T>&, std::uint32_t*, cudaStream_t);  \
  template cudaError_t launch_given_tables(                                                        \
      const DeviceAttention<T>&, const DeviceBackward<T>&, cudaStream_t);                          \
  template cudaError_t launch_feature_sums(                                                        \
      const DeviceAttention<T>&, const Working<T>*, const Working<T>*, Working<T>*, cudaStream_t); \
  template cudaError_t launch_row_sums(                                                            \
      const DeviceAttention<T>&, const Working<T>*, Working<T>*, cudaStream_t);                    \
  template cudaError_t launch_column_sums(                                                         \
      const T*, std::int64_t, std::int64_t, Working<T>*, Working<T>*, cudaStream_t);
REGATTA_INSTANTIATE(float)
REGATTA_INSTANTIATE(double)
REGATTA_INSTANTIATE(BFloat16)

}  // namespace regatta::cuda
