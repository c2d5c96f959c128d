// The edges of a row that a lane has in flight: their rows, their logits, and how they are added.
#pragma once

#include "kernels/cuda/forward.cuh"

namespace regatta::cuda {

template <class T, Logits kind, int V, int K>
struct ForwardRound {
  using W = Working<T>;
  static constexpr int kEdges = kEdgesInFlight<K>;

  std::int64_t edge[kEdges];
  std::int64_t source[kEdges];
  bool valid[kEdges];
  bool above[kEdges];
  W logit[kEdges];
  RowValues<T, V, K> value[kEdges];

  REGATTA_DEVICE void load(const DeviceAttention<T>& in,
                           const Columns<V, K>& columns,
                           const Task& task,
                           std::int64_t round) {
    REGATTA_UNROLL
    for (int n = 0; n < kEdges; ++n) {
      edge[n] = task.begin + task.offset + (round * kEdges + n) * task.stride;
      valid[n] = columns.head && edge[n] < task.end;
      source[n] = valid[n] ? in.graph.src[edge[n]] : 0;
      above[n] = false;
      logit[n] = 0;
    }
    REGATTA_UNROLL
    for (int n = 0; n < kEdges; ++n)
      value[n].load(in.value + row_at(in, source[n], columns.h), columns, valid[n]);
  }

  /// All lanes call.
  REGATTA_DEVICE void find_logits(const DeviceAttention<T>& in,
                                  const Columns<V, K>& columns,
                                  bool tiled,
                                  std::int64_t i,
                                  const DestinationRow<T, V, K>& row) {
    if constexpr (kind == Logits::kGat || kind == Logits::kGiven) {
      REGATTA_UNROLL
      for (int n = 0; n < kEdges; ++n) {
        if (!valid[n])
          continue;
        if constexpr (kind == Logits::kGat) {
          const W u = sum_of_scalars(in, edge[n], source[n], columns.h, row.t);
          above[n] = u > 0;
          logit[n] = u * leaky_slope(u, in.slope);
        } else {
          logit[n] = given_logit(in, edge[n], columns.h);
        }
      }
    } else {
      REGATTA_UNROLL
      for (int n = 0; n < kEdges; ++n) {
        if (valid[n] && tiled)
          logit[n] = part_of_wide_logit<T, kind>(in, columns, edge[n], i, source[n]);
        else
          logit[n] = part_of_row(in, columns, row, n);
      }
      REGATTA_UNROLL
      for (int n = 0; n < kEdges; ++n) logit[n] = columns.sum_of_head(logit[n]);
      REGATTA_UNROLL
      for (int n = 0; n < kEdges; ++n)
        if (valid[n])
          logit[n] = finish_logit<T, kind>(in, edge[n], columns.h, logit[n]);
    }
  }

  REGATTA_DEVICE void add_to(RunningRow<T, V, K>& row,
                             const DeviceAttention<T>& in,
                             const Columns<V, K>& columns) {
    W most = minus_infinity<W>();
    REGATTA_UNROLL
    for (int n = 0; n < kEdges; ++n)
      if (valid[n] && logit[n] > most)
        most = logit[n];
    row.raise_maximum(most);
    REGATTA_UNROLL
    for (int n = 0; n < kEdges; ++n)
      if (valid[n])
        add_edge(row, in, columns, n);
  }

 private:
  REGATTA_DEVICE W part_of_row(const DeviceAttention<T>& in,
                               const Columns<V, K>& columns,
                               const DestinationRow<T, V, K>& row,
                               int n) {
    if (!valid[n])
      return 0;
    if constexpr (kind == Logits::kDot)
      if (in.key != in.value) {
        RowValues<T, V, K> key;
        key.load(in.key + row_at(in, source[n], columns.h), columns, true);
        return part_of_logit<T, kind>(in, columns, edge[n], row.query, key, row.a);
      }
    return part_of_logit<T, kind>(in, columns, edge[n], row.query, value[n], row.a);
  }

  REGATTA_DEVICE void add_edge(RunningRow<T, V, K>& row,
                               const DeviceAttention<T>& in,
                               const Columns<V, K>& columns,
                               int n) {
    const W weight = exp(logit[n] - row.maximum);
    const W message = weight * edge_factor(in, edge[n], columns.h);
    row.sum += weight;
    if (above[n])
      row.positive_sum += weight;
    const auto scale = static_cast<W>(in.message_dropout.scale);
    REGATTA_UNROLL
    for (int k = 0; k < K; ++k) {
      if (!columns.has(k))
        continue;
      const std::uint32_t kept =
          survivors_from(in, source[n], columns.h * in.width + columns.column(k));
      REGATTA_UNROLL
      for (int v = 0; v < V; ++v) {
        const W part = (kept >> v & 1U) != 0 ? message * scale * value[n].element[k][v] : W(0);
        row.all.element[k][v] += part;
        if (above[n])
          row.positive.element[k][v] += part;
      }
    }
  }
};

}  // namespace regatta::cuda
