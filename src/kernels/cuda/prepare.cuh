// Start of the backward pass: the gradient of O, and what the edges need of each row.
#pragma once

#include "kernels/cuda/edge_logits.cuh"
#include "kernels/cuda/packet_choice.h"

namespace regatta::cuda {

/// g = dL/dO from that of y, stored where it is needed.
template <class T, int V, int K>
REGATTA_DEVICE void find_grad_out(
    const DeviceBackward<T>& out, const T* y, std::int64_t at, RowValues<T, V, K>& grad, int k) {
  Packet<T, V> stored;
  REGATTA_UNROLL
  for (int v = 0; v < V; ++v) {
    if (y != nullptr)
      grad.element[k][v] *= activation_slope(out.epilogue, widen(y[at + v]));
    stored.element[v] = narrow<T>(grad.element[k][v]);
    // What later passes read is what Delta is made of.
    grad.element[k][v] = widen(stored.element[v]);
  }
  if (out.grad_out_space != nullptr)
    store_packet(out.grad_out_space + at, stored);
  if (out.grad_residual != nullptr)
    store_packet(out.grad_residual + at, stored);
}

template <class T, int V, int K>
REGATTA_KERNEL void prepare_kernel(DeviceAttention<T> in, Layout layout, DeviceBackward<T> out) {
  using W = Working<T>;
  const Place here = place();
  const std::int64_t first = here.warp / layout.head_blocks * layout.edge_slots;
  if (first >= in.graph.rows)
    return;
  Columns<V, K> columns(
      layout, in.heads, in.width, here.warp % layout.head_blocks * layout.tiles, here.lane);
  const std::int64_t i = first + columns.edge_slot;
  const bool read = columns.head && i < in.graph.rows;
  W delta = 0, correction = 0;
  for (std::int64_t tile = 0; tile < layout.tiles; ++tile) {
    columns.tile_begin = tile * layout.lanes * K * V;
    RowValues<T, V, K> grad, other;
    const std::int64_t start = row_at(in, i, columns.h);
    grad.load(out.grad_y + start, columns, read);
    REGATTA_UNROLL
    for (int k = 0; k < K; ++k)
      if (read && columns.has(k))
        find_grad_out(out, out.y, start + columns.column(k), grad, k);
    other.load(out.out + start, columns, read);
    delta += part_of_product(grad, other);
    if (out.correction != nullptr) {
      other.load(out.correction + start, columns, read);
      correction += part_of_product(grad, other);
    }
  }
  delta = columns.sum_of_head(delta);
  correction = columns.sum_of_head(correction);
  if (!read || columns.lane_of_head != 0)
    return;
  const std::int64_t item = i * in.heads + columns.h;
  const std::int64_t score = in.score_heads == in.heads ? item : i;
  if (out.grad_logsumexp != nullptr && in.score_heads == in.heads)
    delta -= out.grad_logsumexp[score];
  out.records[item] = {in.t == nullptr ? W(0) : in.t[item], out.logsumexp[score], delta, W(0)};
  // dt_i = (1 - slope) <g_i, C_i>: docs/numerics.md §1.
  if (out.correction != nullptr)
    out.grad_t[item] = (1 - in.slope) * correction;
}

}  // namespace regatta::cuda
