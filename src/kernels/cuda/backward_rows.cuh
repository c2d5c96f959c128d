// Backward pass of gatv2 and dot over the in-edges of each row: its part in the logits.
#pragma once

#include "kernels/cuda/backward_nodes.cuh"

namespace regatta::cuda {

/// What stays the same over a row's in-edges.
template <class T, Logits kind, int V, int K>
struct GradientRow {
  RowValues<T, V, K> query, grad, a;
  RowRecord<Working<T>> record = {};

  REGATTA_DEVICE void load(const DeviceAttention<T>& in,
                           const DeviceBackward<T>& out,
                           const Columns<V, K>& columns,
                           std::int64_t i) {
    const bool read = columns.head && i >= 0;
    query.load(in.query + row_at(in, i, columns.h), columns, read);
    grad.load(out.grad_out + row_at(in, i, columns.h), columns, read);
    if constexpr (kind == Logits::kGatv2)
      load_vector(in, columns, a);
    if (read)
      record = out.records[i * in.heads + columns.h];
  }
};

template <class T, int V, int K>
struct RowSums {
  RowValues<T, V, K> query;   ///< dot: sum_j gamma k_j; gatv2: sum_j gamma LeakyReLU'(u)
  RowValues<T, V, K> vector;  ///< gatv2: sum_j gamma LeakyReLU(u)

  REGATTA_DEVICE RowSums() {
    query.clear();
    vector.clear();
  }
};

template <class T, int V, int K>
REGATTA_DEVICE void sum_edge_slots(const Columns<V, K>& columns, RowValues<T, V, K>& row) {
  REGATTA_UNROLL
  for (int k = 0; k < K; ++k) REGATTA_UNROLL
  for (int v = 0; v < V; ++v) row.element[k][v] = columns.sum_of_edge_slots(row.element[k][v]);
}

/// The gradient of one element of a row's query.
template <class T, Logits kind>
REGATTA_DEVICE void store_query(const DeviceAttention<T>& in,
                                const DeviceBackward<T>& out,
                                std::int64_t i,
                                std::int64_t column,
                                Working<T> sum) {
  const std::int64_t at = i * in.heads * in.width + column;
  const Working<T> value = sum * (kind == Logits::kDot ? in.scale : in.a[column]);
  if (out.query_sums != nullptr)
    out.query_sums[at] = value;
  else
    out.grad_query[at] = narrow<T>(value);
}

/// One in-edge of a row; rows in registers are `value` and, for dot with three tables, `key`.
template <class T, Logits kind, int V, int K>
struct RowEdge {
  using W = Working<T>;
  std::int64_t edge = 0, source = 0;
  bool valid = false;
  W product = 0, logit = 0;
  RowValues<T, V, K> value, key;

  REGATTA_DEVICE void load(const DeviceAttention<T>& in,
                           const Columns<V, K>& columns,
                           const Task& task,
                           std::int64_t number) {
    edge = task.begin + task.offset + number * task.stride;
    valid = columns.head && edge < task.end;
    source = valid ? in.graph.src[edge] : 0;
    const std::int64_t at = row_at(in, source, columns.h);
    value.load(in.value + at, columns, valid);
    if constexpr (kind == Logits::kDot) {
      if (in.key != in.value)
        key.load(in.key + at, columns, valid);
      else
        key = value;
    }
  }

  REGATTA_DEVICE void multiply(const DeviceAttention<T>& in,
                               const T* grad_out,
                               const Columns<V, K>& columns,
                               bool tiled,
                               std::int64_t i,
                               const GradientRow<T, kind, V, K>& row) {
    if (!valid)
      return;
    if (tiled) {
      product = part_of_wide_product(in, grad_out, columns, i, source);
      logit = part_of_wide_logit<T, kind>(in, columns, edge, i, source);
      return;
    }
    product = part_of_masked_product(in, columns, row.grad);
    logit = part_of_logit<T, kind>(
        in, columns, edge, row.query, kind == Logits::kDot ? key : value, row.a);
  }

  REGATTA_DEVICE void add_to(RowSums<T, V, K>& sums,
                             const DeviceAttention<T>& in,
                             const DeviceBackward<T>& out,
                             const Columns<V, K>& columns,
                             const GradientRow<T, kind, V, K>& row) const {
    if (!valid)
      return;
    const W e = finish_logit<T, kind>(in, edge, columns.h, logit);
    const W alpha = exp(e - row.record.logsumexp);
    const W gamma = alpha * (edge_factor(in, edge, columns.h) * product - row.record.delta);
    if (out.grad_logit != nullptr && columns.first())
      out.grad_logit[edge * in.heads + columns.h] = gamma;
    REGATTA_UNROLL
    for (int k = 0; k < K; ++k) {
      if (!columns.has(k))
        continue;
      REGATTA_UNROLL
      for (int v = 0; v < V; ++v) add_element(sums, in, columns, row, gamma, k, v);
    }
  }

 private:
  REGATTA_DEVICE void add_element(RowSums<T, V, K>& sums,
                                  const DeviceAttention<T>& in,
                                  const Columns<V, K>& columns,
                                  const GradientRow<T, kind, V, K>& row,
                                  W gamma,
                                  int k,
                                  int v) const {
    if constexpr (kind == Logits::kDot) {
      sums.query.element[k][v] += gamma * key.element[k][v];
    } else {
      const W u = sum_of_rows(in, columns, edge, row.query, value, k, v);
      const W slope = leaky_slope(u, in.slope);
      sums.query.element[k][v] += gamma * slope;
      sums.vector.element[k][v] += gamma * u * slope;
    }
  }

  REGATTA_DEVICE W part_of_masked_product(const DeviceAttention<T>& in,
                                          const Columns<V, K>& columns,
                                          const RowValues<T, V, K>& grad) const {
    if (in.survivors == nullptr)
      return part_of_product(grad, value);
    W sum = 0;
    const auto scale = static_cast<W>(in.message_dropout.scale);
    REGATTA_UNROLL
    for (int k = 0; k < K; ++k) {
      if (!columns.has(k))
        continue;
      const std::uint32_t kept =
          survivors_from(in, source, columns.h * in.width + columns.column(k));
      REGATTA_UNROLL
      for (int v = 0; v < V; ++v)
        sum += (kept >> v & 1U) != 0 ? grad.element[k][v] * scale * value.element[k][v] : W(0);
    }
    return sum;
  }
};

}  // namespace regatta::cuda
