// Sums of a row relative to its running maximum, how they merge, and how a finished row is stored.
#pragma once

#include "kernels/cuda/edge_logits.cuh"

namespace regatta::cuda {

/// Edges whose rows a lane holds at once.
template <int K>
constexpr int kEdgesInFlight = K == 1 ? 4 : 2;

/// exp-weighted sums of a row, all relative to `maximum`.
template <class T, int V, int K>
struct RunningRow {
  using W = Working<T>;
  W maximum = minus_infinity<W>();
  W sum = 0;
  W positive_sum = 0;  ///< gat: over edges with u > 0
  RowValues<T, V, K> all, positive;

  REGATTA_DEVICE RunningRow() {
    all.clear();
    positive.clear();
  }
  REGATTA_DEVICE void rescale(W factor) {
    sum *= factor;
    positive_sum *= factor;
    REGATTA_UNROLL
    for (int k = 0; k < K; ++k) REGATTA_UNROLL
    for (int v = 0; v < V; ++v) {
      all.element[k][v] *= factor;
      positive.element[k][v] *= factor;
    }
  }
  REGATTA_DEVICE void raise_maximum(W value) {
    if (value > maximum) {
      rescale(exp(maximum - value));
      maximum = value;
    }
  }
  /// Adds the row of the lane `mask` away; both get the sum.
  REGATTA_DEVICE void merge(int mask) {
    const W other = exchange(maximum, mask);
    const W most = other > maximum ? other : maximum;
    // Two rows without edges have no maximum.
    const bool none = most == minus_infinity<W>();
    rescale(none ? W(1) : exp(maximum - most));
    maximum = most;
    sum += exchange(sum, mask);
    positive_sum += exchange(positive_sum, mask);
    REGATTA_UNROLL
    for (int k = 0; k < K; ++k) REGATTA_UNROLL
    for (int v = 0; v < V; ++v) {
      all.element[k][v] += exchange(all.element[k][v], mask);
      positive.element[k][v] += exchange(positive.element[k][v], mask);
    }
  }
};

/// One element of O, C and y; `sum` = 0 for a row without edges.
template <class T>
REGATTA_DEVICE void store_forward(const DeviceAttention<T>& in,
                                  const DeviceForward<T>& out,
                                  std::int64_t i,
                                  std::int64_t column,
                                  Working<T> o,
                                  Working<T> correction) {
  const std::int64_t at = i * in.heads * in.width + column;
  if (out.out != nullptr)
    out.out[at] = narrow<T>(o);
  if (out.correction != nullptr)
    out.correction[at] = narrow<T>(correction);
  if (out.y == nullptr)
    return;
  if (out.epilogue.bias != nullptr)
    o += out.epilogue.bias[column];
  if (out.residual != nullptr)
    o += widen(out.residual[at]);
  out.y[at] = narrow<T>(activate(out.epilogue, o));
}

template <class T, int V, int K>
REGATTA_DEVICE void store_row(const DeviceAttention<T>& in,
                              const DeviceForward<T>& out,
                              const Columns<V, K>& columns,
                              std::int64_t i,
                              const RunningRow<T, V, K>& row) {
  using W = Working<T>;
  const bool empty = row.maximum == minus_infinity<W>() && row.sum == 0;
  const W inverse = empty ? W(0) : 1 / row.sum;
  if (out.logsumexp != nullptr && columns.first() && (in.score_heads == in.heads || columns.h == 0))
    out.logsumexp[i * in.score_heads + columns.h] = empty ? W(0) : row.maximum + log(row.sum);
  REGATTA_UNROLL
  for (int k = 0; k < K; ++k) {
    if (!columns.has(k))
      continue;
    REGATTA_UNROLL
    for (int v = 0; v < V; ++v) {
      const W o = row.all.element[k][v] * inverse;
      const W correction = row.positive.element[k][v] * inverse - row.positive_sum * inverse * o;
      store_forward(in, out, i, columns.h * in.width + columns.column(k) + v, o, correction);
    }
  }
}

template <class T, int V, int K>
REGATTA_DEVICE void store_piece(const DeviceAttention<T>& in,
                                const Columns<V, K>& columns,
                                const RunningRow<T, V, K>& row,
                                Working<T>* partial) {
  const std::int64_t heads = in.heads;
  if (columns.first()) {
    partial[columns.h] = row.maximum;
    partial[heads + columns.h] = row.sum;
    partial[2 * heads + columns.h] = row.positive_sum;
  }
  REGATTA_UNROLL
  for (int k = 0; k < K; ++k) REGATTA_UNROLL
  for (int v = 0; v < V; ++v)
    if (columns.has(k)) {
      const std::int64_t column = columns.h * in.width + columns.column(k) + v;
      partial[3 * heads + column] = row.all.element[k][v];
      partial[3 * heads + heads * in.width + column] = row.positive.element[k][v];
    }
}

/// What stays the same over a row's edges.
template <class T, int V, int K>
struct DestinationRow {
  RowValues<T, V, K> query, a;
  Working<T> t = 0;

  template <Logits kind>
  REGATTA_DEVICE void load(const DeviceAttention<T>& in,
                           const Columns<V, K>& columns,
                           std::int64_t i) {
    const bool read = columns.head && i >= 0;
    if constexpr (kind == Logits::kDot || kind == Logits::kGatv2)
      query.load(in.query + row_at(in, i, columns.h), columns, read);
    if constexpr (kind == Logits::kGatv2)
      load_vector(in, columns, a);
    if constexpr (kind == Logits::kGat)
      t = read ? in.t[i * in.heads + columns.h] : Working<T>(0);
  }
};

}  // namespace regatta::cuda
