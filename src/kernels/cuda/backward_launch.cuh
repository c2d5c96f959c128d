// Backward pass: the kernels over rows and nodes, and the merges of lists that were cut.
#pragma once

#include "kernels/cuda/backward_rows.cuh"
#include "kernels/cuda/node_round.cuh"
#include "kernels/cuda/packet_choice.h"

namespace regatta::cuda {

template <class T, Logits kind, int V, int K>
REGATTA_KERNEL void backward_nodes_kernel(DeviceAttention<T> in,
                                          Layout layout,
                                          DeviceSchedule tasks,
                                          std::int64_t task_total,
                                          DeviceBackward<T> out) {
  const Place here = place();
  const std::int64_t number = here.warp / layout.warps_a_task();
  if (number >= task_total)
    return;
  const Columns<V, K> columns(
      layout, in.heads, in.width, here.warp % layout.warps_a_task(), here.lane);
  Task task = find_task(tasks, layout, number, in.graph.nodes, columns.edge_slot);
  if (!in.graph.all_rows)
    task.end = cut_by_rows(in.graph, task.begin, task.end);
  agree_on_rounds(task, kEdgesInFlight<K>);
  SourceRow<T, kind, V, K> source;
  source.load(in, columns, task.item);
  NodeSums<T, V, K> sums;
  for (std::int64_t n = 0; n < task.rounds; ++n) {
    NodeRound<T, kind, V, K> round;
    round.load(in, out, columns, task, n);
    round.multiply(in, out, columns, layout.tiles > 1, task.item, source);
    round.add_to(sums, in, out, columns, task.item, source);
  }
  if (task.stride > 1)
    sums.fold([&](Working<T> value) { return columns.sum_of_edge_slots(value); });
  if (task.item < 0 || !columns.head || (task.stride > 1 && columns.edge_slot > 0))
    return;
  Working<T>* partial = task.piece < 0 ? nullptr : out.partial + task.piece * backward_partial(in);
  const std::int64_t row_width = in.heads * in.width;
  if (kind == Logits::kGat && columns.first())
    (partial == nullptr ? out.grad_s + task.item * in.heads : partial)[columns.h] = sums.logit;
  REGATTA_UNROLL
  for (int k = 0; k < K; ++k) {
    if (!columns.has(k))
      continue;
    REGATTA_UNROLL
    for (int v = 0; v < V; ++v) {
      const std::int64_t column = columns.h * in.width + columns.column(k) + v;
      const Working<T> message = sums.message.element[k][v], score = sums.score.element[k][v];
      if (partial == nullptr) {
        store_node<T, kind>(in, out, task.item, column, message, score);
      } else {
        partial[in.heads + column] = message;
        partial[in.heads + row_width + column] = score;
      }
    }
  }
}

/// Sum over the pieces of long list n of the element at `at`.
template <class T>
REGATTA_DEVICE Working<T> sum_of_pieces(const DeviceAttention<T>& in,
                                        const DeviceSchedule& tasks,
                                        const Working<T>* partial,
                                        std::int64_t n,
                                        std::int64_t at) {
  Working<T> sum = 0;
  for (std::int64_t p = tasks.first_piece[n]; p < tasks.first_piece[n + 1]; ++p)
    sum += partial[p * backward_partial(in) + at];
  return sum;
}

template <class T, Logits kind>
REGATTA_KERNEL void merge_nodes_kernel(DeviceAttention<T> in,
                                       DeviceSchedule tasks,
                                       DeviceBackward<T> out) {
  const std::int64_t row_width = in.heads * in.width;
  const std::int64_t n = place().thread() / row_width;
  if (n >= tasks.longs || tasks.long_item[n] >= in.graph.nodes)
    return;
  const std::int64_t j = tasks.long_item[n];
  const std::int64_t column = place().thread() % row_width;
  store_node<T, kind>(in,
                      out,
                      j,
                      column,
                      sum_of_pieces(in, tasks, out.partial, n, in.heads + column),
                      sum_of_pieces(in, tasks, out.partial, n, in.heads + row_width + column));
  if (kind == Logits::kGat && column % in.width == 0) {
    const std::int64_t h = column / in.width;
    out.grad_s[j * in.heads + h] = sum_of_pieces(in, tasks, out.partial, n, h);
  }
}

/// Adds one task's sums of da to `vector`, and stores what belongs to its row.
template <class T, Logits kind, int V, int K>
REGATTA_DEVICE void run_row_task(const DeviceAttention<T>& in,
                                 const DeviceBackward<T>& out,
                                 const Columns<V, K>& columns,
                                 bool tiled,
                                 Task task,
                                 RowSums<T, V, K>& sums) {
  agree_on_rounds(task, 2);
  GradientRow<T, kind, V, K> row;
  row.load(in, out, columns, task.item);
  for (std::int64_t n = 0; n < task.rounds; ++n) {
    RowEdge<T, kind, V, K> edge[2];
    edge[0].load(in, columns, task, 2 * n);
    edge[1].load(in, columns, task, 2 * n + 1);
    REGATTA_UNROLL
    for (int v = 0; v < 2; ++v) {
      edge[v].multiply(in, out.grad_out, columns, tiled, task.item, row);
      edge[v].product = columns.sum_of_head(edge[v].product);
      edge[v].logit = columns.sum_of_head(edge[v].logit);
    }
    edge[0].add_to(sums, in, out, columns, row);
    edge[1].add_to(sums, in, out, columns, row);
  }
  if (task.stride > 1)
    sum_edge_slots(columns, sums.query);
  if (task.item < 0 || (task.stride > 1 && columns.edge_slot > 0))
    return;
  REGATTA_UNROLL
  for (int k = 0; k < K; ++k) {
    if (!columns.has(k))
      continue;
    REGATTA_UNROLL
    for (int v = 0; v < V; ++v) {
      const std::int64_t column = columns.h * in.width + columns.column(k) + v;
      if (task.piece < 0)
        store_query<T, kind>(in, out, task.item, column, sums.query.element[k][v]);
      else
        out.partial[task.piece * backward_partial(in) + in.heads + column] =
            sums.query.element[k][v];
    }
  }
}

template <class T, Logits kind, int V, int K>
REGATTA_KERNEL void backward_rows_kernel(DeviceAttention<T> in,
                                         Layout layout,
                                         DeviceSchedule tasks,
                                         std::int64_t task_total,
                                         DeviceBackward<T> out) {
  const Place here = place();
  const std::int64_t group = here.warp / layout.warps_a_task();
  if (group * kTasksOfWarp >= task_total)
    return;
  const Columns<V, K> columns(
      layout, in.heads, in.width, here.warp % layout.warps_a_task(), here.lane);
  RowSums<T, V, K> sums;
  for (std::int64_t n = 0; n < kTasksOfWarp && group * kTasksOfWarp + n < task_total; ++n) {
    sums.query.clear();
    run_row_task<T, kind>(
        in,
        out,
        columns,
        layout.tiles > 1,
        find_task(tasks, layout, group * kTasksOfWarp + n, in.graph.rows, columns.edge_slot),
        sums);
  }
  if constexpr (kind == Logits::kGatv2) {
    sum_edge_slots(columns, sums.vector);
    REGATTA_UNROLL
    for (int k = 0; k < K; ++k) REGATTA_UNROLL
    for (int v = 0; v < V; ++v)
      if (columns.has(k) && columns.edge_slot == 0)
        out.vector_partial[(group * in.heads + columns.h) * in.width + columns.column(k) + v] =
            sums.vector.element[k][v];
  }
}

template <class T, Logits kind>
REGATTA_KERNEL void merge_rows_kernel(DeviceAttention<T> in,
                                      DeviceSchedule tasks,
                                      DeviceBackward<T> out) {
  const std::int64_t row_width = in.heads * in.width;
  const std::int64_t n = place().thread() / row_width;
  if (n >= tasks.longs || tasks.long_item[n] >= in.graph.rows)
    return;
  const std::int64_t column = place().thread() % row_width;
  store_query<T, kind>(in,
                       out,
                       tasks.long_item[n],
                       column,
                       sum_of_pieces(in, tasks, out.partial, n, in.heads + column));
}

}  // namespace regatta::cuda
