// Logits of one edge from rows in registers, and the sum u that GATv2's slope depends on.
#pragma once

#include "kernels/cuda/tasks.cuh"

namespace regatta::cuda {

template <class T>
REGATTA_DEVICE std::int64_t row_at(const DeviceAttention<T>& in, std::int64_t n, std::int64_t h) {
  return (n * in.heads + h) * in.width;
}

/// The edge's term of a logit; Hs = H wherever rows are fused.
template <class T>
REGATTA_DEVICE Working<T> edge_term(const DeviceAttention<T>& in, std::int64_t e, std::int64_t h) {
  return in.edge_logit == nullptr ? Working<T>(0) : in.edge_logit[e * in.score_heads + h];
}

/// gat: u_ij before LeakyReLU
template <class T>
REGATTA_DEVICE Working<T> sum_of_scalars(
    const DeviceAttention<T>& in, std::int64_t e, std::int64_t j, std::int64_t h, Working<T> t) {
  return in.s[j * in.heads + h] + t + edge_term(in, e, h);
}

/// gatv2: what the edge's features add to element d of u
template <class T>
REGATTA_DEVICE Working<T> feature_term(const DeviceAttention<T>& in,
                                       std::int64_t e,
                                       std::int64_t h,
                                       std::int64_t d) {
  Working<T> sum = 0;
  if (in.edge_weight != nullptr)
    for (std::int64_t f = 0; f < in.features; ++f)
      sum += in.edge_x[e * in.features + f] * in.edge_weight[(f * in.heads + h) * in.width + d];
  return sum;
}

/// gatv2: u_ijd from the rows l_i and r_j
template <class T, int V, int K>
REGATTA_DEVICE Working<T> sum_of_rows(const DeviceAttention<T>& in,
                                      const Columns<V, K>& columns,
                                      std::int64_t e,
                                      const RowValues<T, V, K>& left,
                                      const RowValues<T, V, K>& right,
                                      int k,
                                      int v) {
  const Working<T> u = left.element[k][v] + right.element[k][v];
  return in.edge_weight == nullptr ? u : u + feature_term(in, e, columns.h, columns.column(k) + v);
}

/// gatv2: the row of the attention vector, 0 where there is none
template <class T, int V, int K>
REGATTA_DEVICE void load_vector(const DeviceAttention<T>& in,
                                const Columns<V, K>& columns,
                                RowValues<T, V, K>& a) {
  REGATTA_UNROLL
  for (int k = 0; k < K; ++k) REGATTA_UNROLL
  for (int v = 0; v < V; ++v)
    a.element[k][v] =
        columns.has(k) ? in.a[columns.h * in.width + columns.column(k) + v] : Working<T>(0);
}

/// This lane's part of a logit whose rows are wider than a tile: it reads the whole head.
template <class T, Logits kind, int V, int K>
REGATTA_DEVICE Working<T> part_of_wide_logit(const DeviceAttention<T>& in,
                                             const Columns<V, K>& columns,
                                             std::int64_t e,
                                             std::int64_t i,
                                             std::int64_t j) {
  Working<T> sum = 0;
  const T* left = in.query + row_at(in, i, columns.h);
  const T* right = (kind == Logits::kDot ? in.key : in.value) + row_at(in, j, columns.h);
  for (std::int64_t d = columns.lane_of_head; d < in.width; d += columns.lanes) {
    if constexpr (kind == Logits::kDot) {
      sum += widen(left[d]) * widen(right[d]);
    } else {
      const Working<T> u = widen(left[d]) + widen(right[d]) + feature_term(in, e, columns.h, d);
      sum += in.a[columns.h * in.width + d] * u * leaky_slope(u, in.slope);
    }
  }
  return sum;
}

/// This lane's part of a logit; the sum over the lanes of the head goes to finish_logit. `left`: of
/// the destination, `right`: of the source. Called with a valid edge and head.
template <class T, Logits kind, int V, int K>
REGATTA_DEVICE Working<T> part_of_logit(const DeviceAttention<T>& in,
                                        const Columns<V, K>& columns,
                                        std::int64_t e,
                                        const RowValues<T, V, K>& left,
                                        const RowValues<T, V, K>& right,
                                        const RowValues<T, V, K>& a) {
  Working<T> sum = 0;
  REGATTA_UNROLL
  for (int k = 0; k < K; ++k) {
    if (!columns.has(k))
      continue;
    REGATTA_UNROLL
    for (int v = 0; v < V; ++v) {
      if constexpr (kind == Logits::kDot) {
        sum += left.element[k][v] * right.element[k][v];
      } else {
        const Working<T> u = sum_of_rows(in, columns, e, left, right, k, v);
        sum += a.element[k][v] * u * leaky_slope(u, in.slope);
      }
    }
  }
  return sum;
}

template <class T, Logits kind>
REGATTA_DEVICE Working<T> finish_logit(const DeviceAttention<T>& in,
                                       std::int64_t e,
                                       std::int64_t h,
                                       Working<T> sum) {
  if constexpr (kind == Logits::kDot)
    sum *= in.scale;
  return sum + edge_term(in, e, h);
}

/// kGiven
template <class T>
REGATTA_DEVICE Working<T> given_logit(const DeviceAttention<T>& in,
                                      std::int64_t e,
                                      std::int64_t h) {
  return in.given[e * in.score_heads + (in.score_heads == 1 ? 0 : h)];
}

}  // namespace regatta::cuda
