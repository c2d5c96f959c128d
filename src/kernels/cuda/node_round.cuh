// The out-edges of a node that a lane has in flight, and how they are added.
#pragma once

#include "kernels/cuda/backward_nodes.cuh"

namespace regatta::cuda {

/// The out-edges that a lane has in flight.
template <class T, Logits kind, int V, int K>
struct NodeRound {
  using W = Working<T>;
  static constexpr int kEdges = kEdgesInFlight<K>;
  static constexpr bool kRows = kind == Logits::kDot || kind == Logits::kGatv2;

  std::int64_t edge[kEdges];
  std::int64_t row[kEdges];
  bool valid[kEdges];
  W product[kEdges];
  W logit[kEdges];
  RowValues<T, V, K> grad[kEdges];
  RowValues<T, V, K> query[kRows ? kEdges : 1];

  REGATTA_DEVICE void load(const DeviceAttention<T>& in,
                           const DeviceBackward<T>& out,
                           const Columns<V, K>& columns,
                           const Task& task,
                           std::int64_t round) {
    REGATTA_UNROLL
    for (int n = 0; n < kEdges; ++n) {
      const std::int64_t at = task.begin + task.offset + (round * kEdges + n) * task.stride;
      valid[n] = columns.head && at < task.end;
      row[n] = valid[n] ? in.graph.out_dst[at] : 0;
      edge[n] = valid[n] ? in.graph.out_edge[at] : 0;
      product[n] = logit[n] = 0;
    }
    REGATTA_UNROLL
    for (int n = 0; n < kEdges; ++n) {
      grad[n].load(out.grad_out + row_at(in, row[n], columns.h), columns, valid[n]);
      if constexpr (kRows)
        query[n].load(in.query + row_at(in, row[n], columns.h), columns, valid[n]);
    }
  }

  /// Products with g_i, and parts of logits that need rows. All lanes call.
  REGATTA_DEVICE void multiply(const DeviceAttention<T>& in,
                               const DeviceBackward<T>& out,
                               const Columns<V, K>& columns,
                               bool tiled,
                               std::int64_t j,
                               const SourceRow<T, kind, V, K>& source) {
    REGATTA_UNROLL
    for (int n = 0; n < kEdges; ++n) {
      if (kind == Logits::kGiven || !valid[n])
        continue;
      product[n] = tiled ? part_of_wide_product(in, out.grad_out, columns, row[n], j)
                         : part_of_product(grad[n], source.masked);
      if constexpr (kRows)
        logit[n] =
            tiled ? part_of_wide_logit<T, kind>(in, columns, edge[n], row[n], j)
                  : part_of_logit<T, kind>(in, columns, edge[n], query[n], source.score, source.a);
    }
    REGATTA_UNROLL
    for (int n = 0; n < kEdges; ++n) {
      if constexpr (kind != Logits::kGiven)
        product[n] = columns.sum_of_head(product[n]);
      if constexpr (kRows)
        logit[n] = columns.sum_of_head(logit[n]);
    }
  }

  REGATTA_DEVICE void add_to(NodeSums<T, V, K>& sums,
                             const DeviceAttention<T>& in,
                             const DeviceBackward<T>& out,
                             const Columns<V, K>& columns,
                             std::int64_t j,
                             const SourceRow<T, kind, V, K>& source) {
    REGATTA_UNROLL
    for (int n = 0; n < kEdges; ++n)
      if (valid[n])
        add_edge(sums, in, out, columns, j, source, n);
  }

 private:
  REGATTA_DEVICE void add_edge(NodeSums<T, V, K>& sums,
                               const DeviceAttention<T>& in,
                               const DeviceBackward<T>& out,
                               const Columns<V, K>& columns,
                               std::int64_t j,
                               const SourceRow<T, kind, V, K>& source,
                               int n) {
    const std::int64_t h = columns.h;
    const RowRecord<W> record = out.records[row[n] * in.heads + h];
    W slope = 1;
    W e;
    if constexpr (kind == Logits::kGat) {
      const W u = sum_of_scalars(in, edge[n], j, h, record.t);
      slope = leaky_slope(u, in.slope);
      e = u * slope;
    } else if constexpr (kind == Logits::kGiven) {
      e = given_logit(in, edge[n], h);
    } else {
      e = finish_logit<T, kind>(in, edge[n], h, logit[n]);
    }
    const W alpha = exp(e - record.logsumexp);
    const W factor = edge_factor(in, edge[n], h);
    const W gamma = alpha * (factor * product[n] - record.delta);
    if constexpr (kind == Logits::kGat) {
      sums.logit += gamma * slope;
      if (out.grad_logit != nullptr && columns.first())
        out.grad_logit[edge[n] * in.heads + h] = gamma * slope;
    }
    add_rows(sums, in, columns, source, n, alpha * factor, gamma);
  }

  REGATTA_DEVICE void add_rows(NodeSums<T, V, K>& sums,
                               const DeviceAttention<T>& in,
                               const Columns<V, K>& columns,
                               const SourceRow<T, kind, V, K>& source,
                               int n,
                               W message,
                               W gamma) {
    REGATTA_UNROLL
    for (int k = 0; k < K; ++k) {
      if (!columns.has(k))
        continue;
      REGATTA_UNROLL
      for (int v = 0; v < V; ++v) {
        sums.message.element[k][v] += message * grad[n].element[k][v];
        if constexpr (kind == Logits::kDot)
          sums.score.element[k][v] += gamma * query[n].element[k][v];
        if constexpr (kind == Logits::kGatv2) {
          const W u = sum_of_rows(in, columns, edge[n], query[n], source.score, k, v);
          sums.score.element[k][v] += gamma * leaky_slope(u, in.slope);
        }
      }
    }
  }
};

}  // namespace regatta::cuda
