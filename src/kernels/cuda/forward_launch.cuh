// Forward pass: one pass over the in-edges of each row, then the merge of rows that were cut.
#pragma once

#include "kernels/cuda/forward_round.cuh"
#include "kernels/cuda/packet_choice.h"

namespace regatta::cuda {

template <class T, Logits kind, int V, int K>
REGATTA_KERNEL void forward_kernel(DeviceAttention<T> in,
                                   Layout layout,
                                   DeviceSchedule tasks,
                                   std::int64_t task_total,
                                   DeviceForward<T> out) {
  const Place here = place();
  const std::int64_t number = here.warp / layout.warps_a_task();
  if (number >= task_total)
    return;
  const Columns<V, K> columns(
      layout, in.heads, in.width, here.warp % layout.warps_a_task(), here.lane);
  Task task = find_task(tasks, layout, number, in.graph.rows, columns.edge_slot);
  agree_on_rounds(task, kEdgesInFlight<K>);
  DestinationRow<T, V, K> destination;
  destination.template load<kind>(in, columns, task.item);
  RunningRow<T, V, K> row;
  for (std::int64_t n = 0; n < task.rounds; ++n) {
    ForwardRound<T, kind, V, K> round;
    round.load(in, columns, task, n);
    round.find_logits(in, columns, layout.tiles > 1, task.item, destination);
    round.add_to(row, in, columns);
  }
  if (task.stride > 1)
    for (int mask = columns.merge_low; mask < kWarp; mask *= 2) row.merge(mask);
  if (task.item < 0 || (task.stride > 1 && columns.edge_slot > 0))
    return;
  if (task.piece >= 0)
    store_piece(in, columns, row, out.partial + task.piece * forward_partial(in));
  else
    store_row(in, out, columns, task.item, row);
}

/// Merges the pieces of long rows in their order: one thread an element of a row.
template <class T>
REGATTA_KERNEL void merge_forward_kernel(DeviceAttention<T> in,
                                         DeviceSchedule tasks,
                                         DeviceForward<T> out) {
  using W = Working<T>;
  const std::int64_t thread = place().thread();
  const std::int64_t row_width = in.heads * in.width;
  const std::int64_t n = thread / row_width;
  if (n >= tasks.longs || tasks.long_item[n] >= in.graph.rows)
    return;
  const std::int64_t column = thread % row_width;
  const std::int64_t h = column / in.width;
  const std::int64_t size = forward_partial(in);
  const W* piece = out.partial + tasks.first_piece[n] * size;
  const W* end = out.partial + tasks.first_piece[n + 1] * size;
  W maximum = piece[h];
  for (const W* p = piece; p < end; p += size)
    if (p[h] > maximum)
      maximum = p[h];
  W sum = 0, positive_sum = 0, all = 0, positive = 0;
  for (const W* p = piece; p < end; p += size) {
    const W factor = exp(p[h] - maximum);
    sum += p[in.heads + h] * factor;
    positive_sum += p[2 * in.heads + h] * factor;
    all += p[3 * in.heads + column] * factor;
    positive += p[3 * in.heads + row_width + column] * factor;
  }
  const std::int64_t i = tasks.long_item[n];
  if (out.logsumexp != nullptr && column % in.width == 0 && (in.score_heads == in.heads || h == 0))
    out.logsumexp[i * in.score_heads + h] = maximum + log(sum);
  const W o = all / sum;
  store_forward(in, out, i, column, o, positive / sum - positive_sum / sum * o);
}

template <class T, Logits kind>
cudaError_t launch_forward_kind(const DeviceAttention<T>& in,
                                const DeviceSchedule& rows,
                                const DeviceForward<T>& out,
                                bool aligned,
                                cudaStream_t stream) {
  return with_packets<T>(in.width, aligned, [&]<int V, int K>(PacketShape<V, K>) {
    const Layout layout = layout_of<V, K>(in.heads, in.width);
    const std::int64_t total = task_count(rows, layout);
    return launch(forward_kernel<T, kind, V, K>,
                  total * layout.warps_a_task(),
                  stream,
                  in,
                  layout,
                  rows,
                  total,
                  out);
  });
}

template <class T>
cudaError_t launch_forward(const DeviceAttention<T>& in,
                           Logits logits,
                           const DeviceSchedule& rows,
                           const DeviceForward<T>& out,
                           bool aligned,
                           cudaStream_t stream) {
  cudaError_t status = cudaSuccess;
  switch (logits) {
    case Logits::kGat:
      status = launch_forward_kind<T, Logits::kGat>(in, rows, out, aligned, stream);
      break;
    case Logits::kGatv2:
      status = launch_forward_kind<T, Logits::kGatv2>(in, rows, out, aligned, stream);
      break;
    case Logits::kDot:
      status = launch_forward_kind<T, Logits::kDot>(in, rows, out, aligned, stream);
      break;
    case Logits::kGiven:
      status = launch_forward_kind<T, Logits::kGiven>(in, rows, out, aligned, stream);
      break;
  }
  if (status != cudaSuccess)
    return status;
  const std::int64_t elements = rows.longs * in.heads * in.width;
  return launch(merge_forward_kernel<T>, warps_of(elements), stream, in, rows, out);
}

}  // namespace regatta::cuda
