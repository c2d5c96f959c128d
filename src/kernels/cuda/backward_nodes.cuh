// A node as a source: its rows, the sums over its out-edges, and how they are stored.
#pragma once

#include "kernels/cuda/forward.cuh"

namespace regatta::cuda {

/// What the out-edges of a node give.
template <class T, int V, int K>
struct NodeSums {
  RowValues<T, V, K> message;  ///< sum_i alpha m g_i
  RowValues<T, V, K> score;    ///< dot: sum_i gamma q_i; gatv2: sum_i gamma LeakyReLU'(u)
  Working<T> logit = 0;        ///< gat: sum_i delta

  REGATTA_DEVICE NodeSums() {
    message.clear();
    score.clear();
  }
  template <class Fold>
  REGATTA_DEVICE void fold(const Fold& sum) {
    logit = sum(logit);
    REGATTA_UNROLL
    for (int k = 0; k < K; ++k) REGATTA_UNROLL
    for (int v = 0; v < V; ++v) {
      message.element[k][v] = sum(message.element[k][v]);
      score.element[k][v] = sum(score.element[k][v]);
    }
  }
};

/// One element of a node's gradients.
template <class T, Logits kind>
REGATTA_DEVICE void store_node(const DeviceAttention<T>& in,
                               const DeviceBackward<T>& out,
                               std::int64_t j,
                               std::int64_t column,
                               Working<T> message,
                               Working<T> score) {
  const std::int64_t at = j * in.heads * in.width + column;
  Working<T> value = message * message_factor(in, j, column);
  if constexpr (kind == Logits::kGatv2)
    value += in.a[column] * score;
  if constexpr (kind == Logits::kGiven)
    value += out.query_sums != nullptr ? out.query_sums[at] : Working<T>(0);
  if constexpr (kind == Logits::kDot) {
    if (out.query_sums != nullptr)
      value += score * in.scale + (j < in.graph.rows ? out.query_sums[at] : Working<T>(0));
    else
      out.grad_key[at] = narrow<T>(score * in.scale);
  }
  out.grad_value[at] = narrow<T>(value);
}

/// What stays the same over a node's out-edges.
template <class T, Logits kind, int V, int K>
struct SourceRow {
  RowValues<T, V, K> masked;  ///< mu value_j
  RowValues<T, V, K> score;   ///< dot: key_j; gatv2: value_j
  RowValues<T, V, K> a;       ///< gatv2

  REGATTA_DEVICE void load(const DeviceAttention<T>& in,
                           const Columns<V, K>& columns,
                           std::int64_t j) {
    const bool read = kind != Logits::kGiven && columns.head && j >= 0;
    masked.load(in.value + row_at(in, j, columns.h), columns, read);
    if constexpr (kind == Logits::kGatv2) {
      score = masked;
      load_vector(in, columns, a);
    }
    if constexpr (kind == Logits::kDot)
      score.load(in.key + row_at(in, j, columns.h), columns, read);
    if (in.survivors == nullptr || !read)
      return;
    REGATTA_UNROLL
    for (int k = 0; k < K; ++k) REGATTA_UNROLL
    for (int v = 0; v < V; ++v)
      if (columns.has(k))
        masked.element[k][v] *= message_factor(in, j, columns.h * in.width + columns.column(k) + v);
  }
};

/// This lane's part of <g_i, (mu value)_j> when the head is wider than a tile.
template <class T, int V, int K>
REGATTA_DEVICE Working<T> part_of_wide_product(const DeviceAttention<T>& in,
                                               const T* grad_out,
                                               const Columns<V, K>& columns,
                                               std::int64_t i,
                                               std::int64_t j) {
  Working<T> sum = 0;
  const T* g = grad_out + row_at(in, i, columns.h);
  const T* z = in.value + row_at(in, j, columns.h);
  for (std::int64_t d = columns.lane_of_head; d < in.width; d += columns.lanes)
    sum += widen(g[d]) * message_factor(in, j, columns.h * in.width + d) * widen(z[d]);
  return sum;
}

template <class T, int V, int K>
REGATTA_DEVICE Working<T> part_of_product(const RowValues<T, V, K>& a,
                                          const RowValues<T, V, K>& b) {
  Working<T> sum = 0;
  REGATTA_UNROLL
  for (int k = 0; k < K; ++k) REGATTA_UNROLL
  for (int v = 0; v < V; ++v) sum += a.element[k][v] * b.element[k][v];
  return sum;
}

}  // namespace regatta::cuda
