// The launches of the backward pass, by kind and width.
#pragma once

#include "kernels/cuda/backward_launch.cuh"
#include "kernels/cuda/prepare.cuh"

namespace regatta::cuda {

template <class T>
cudaError_t launch_prepare(const DeviceAttention<T>& in,
                           const DeviceBackward<T>& gradients,
                           bool aligned,
                           cudaStream_t stream) {
  return with_packets<T>(in.width, aligned, [&]<int V, int K>(PacketShape<V, K>) {
    const Layout layout = layout_of<V, K>(in.heads, in.width);
    const std::int64_t groups = (in.graph.rows + layout.edge_slots - 1) / layout.edge_slots;
    return launch(
        prepare_kernel<T, V, K>, groups * layout.head_blocks, stream, in, layout, gradients);
  });
}

template <class T>
std::int64_t row_task_groups(const DeviceAttention<T>& in,
                             const DeviceSchedule& rows,
                             bool aligned) {
  std::int64_t groups = 0;
  with_packets<T>(in.width, aligned, [&]<int V, int K>(PacketShape<V, K>) {
    const std::int64_t total = task_count(rows, layout_of<V, K>(in.heads, in.width));
    groups = (total + kTasksOfWarp - 1) / kTasksOfWarp;
    return cudaSuccess;
  });
  return groups;
}

template <class T, Logits kind>
cudaError_t launch_rows_kind(const DeviceAttention<T>& in,
                             const DeviceSchedule& rows,
                             const DeviceBackward<T>& gradients,
                             bool aligned,
                             cudaStream_t stream) {
  const cudaError_t status =
      with_packets<T>(in.width, aligned, [&]<int V, int K>(PacketShape<V, K>) {
        const Layout layout = layout_of<V, K>(in.heads, in.width);
        const std::int64_t total = task_count(rows, layout);
        return launch(backward_rows_kernel<T, kind, V, K>,
                      (total + kTasksOfWarp - 1) / kTasksOfWarp * layout.warps_a_task(),
                      stream,
                      in,
                      layout,
                      rows,
                      total,
                      gradients);
      });
  const std::int64_t elements = rows.longs * in.heads * in.width;
  return status != cudaSuccess
             ? status
             : launch(merge_rows_kernel<T, kind>, warps_of(elements), stream, in, rows, gradients);
}

template <class T, Logits kind>
cudaError_t launch_nodes_kind(const DeviceAttention<T>& in,
                              const DeviceSchedule& nodes,
                              const DeviceBackward<T>& gradients,
                              bool aligned,
                              cudaStream_t stream) {
  const cudaError_t status =
      with_packets<T>(in.width, aligned, [&]<int V, int K>(PacketShape<V, K>) {
        const Layout layout = layout_of<V, K>(in.heads, in.width);
        const std::int64_t total = task_count(nodes, layout);
        return launch(backward_nodes_kernel<T, kind, V, K>,
                      total * layout.warps_a_task(),
                      stream,
                      in,
                      layout,
                      nodes,
                      total,
                      gradients);
      });
  const std::int64_t elements = nodes.longs * in.heads * in.width;
  return status != cudaSuccess
             ? status
             : launch(
                   merge_nodes_kernel<T, kind>, warps_of(elements), stream, in, nodes, gradients);
}

template <class T>
cudaError_t launch_backward_rows(const DeviceAttention<T>& in,
                                 Logits logits,
                                 const DeviceSchedule& rows,
                                 const DeviceBackward<T>& gradients,
                                 bool aligned,
                                 cudaStream_t stream) {
  return logits == Logits::kDot
             ? launch_rows_kind<T, Logits::kDot>(in, rows, gradients, aligned, stream)
             : launch_rows_kind<T, Logits::kGatv2>(in, rows, gradients, aligned, stream);
}

template <class T>
cudaError_t launch_backward_nodes(const DeviceAttention<T>& in,
                                  Logits logits,
                                  const DeviceSchedule& nodes,
                                  const DeviceBackward<T>& gradients,
                                  bool aligned,
                                  cudaStream_t stream) {
  switch (logits) {
    case Logits::kGat:
      return launch_nodes_kind<T, Logits::kGat>(in, nodes, gradients, aligned, stream);
    case Logits::kGatv2:
      return launch_nodes_kind<T, Logits::kGatv2>(in, nodes, gradients, aligned, stream);
    case Logits::kDot:
      return launch_nodes_kind<T, Logits::kDot>(in, nodes, gradients, aligned, stream);
    case Logits::kGiven:
      return launch_nodes_kind<T, Logits::kGiven>(in, nodes, gradients, aligned, stream);
  }
  return cudaSuccess;
}

}  // namespace regatta::cuda
