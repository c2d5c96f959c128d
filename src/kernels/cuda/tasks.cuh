// Which list of edges, heads and columns a lane works on, and its rows in registers.
//
// A task is a list of edges (the in-edges of a row, the out-edges of a node), a piece of a long
// one, or several short ones. A warp takes a task for one block of heads and one tile of their
// width.
#pragma once

#include "kernels/cuda/device_math.cuh"

namespace regatta::cuda {

/// A lane's edges: begin + offset, then every `stride`-th below end. All lanes make `rounds`
/// rounds, so that they meet at exchanges.
struct Task {
  std::int64_t item = -1;  ///< row or node; < 0: this lane has none
  std::int64_t begin = 0, end = 0;
  int offset = 0, stride = 1;
  std::int64_t rounds = 0;
  std::int64_t piece = -1;  ///< >= 0: sums go to the partial sums of this piece
};

/// A lane's columns: head h, and in packet k the elements from column(k) on.
template <int V, int K>
struct Columns {
  int lane_of_head, edge_slot;  ///< places among the lanes of the head, among the edge slots
  int lanes, merge_low;         ///< exchanges below merge_low stay inside an edge slot
  std::int64_t h;
  std::int64_t tile_begin, width;
  bool head;  ///< the lane has a head

  REGATTA_DEVICE Columns(const Layout& layout,
                         std::int64_t heads,
                         std::int64_t head_width,
                         std::int64_t part,
                         int lane)
      : lane_of_head(lane % layout.lanes),
        edge_slot(lane / (layout.lanes * layout.head_slots)),
        lanes(layout.lanes),
        merge_low(layout.lanes * layout.head_slots),
        h(part / layout.tiles * layout.head_slots + lane / layout.lanes % layout.head_slots),
        tile_begin(part % layout.tiles * layout.lanes * K * V),
        width(head_width),
        head(h < heads) {}

  REGATTA_DEVICE std::int64_t column(int k) const {
    return tile_begin + (static_cast<std::int64_t>(k) * lanes + lane_of_head) * V;
  }
  REGATTA_DEVICE bool has(int k) const { return head && column(k) < width; }
  /// The lane that stores what all lanes of a head know.
  REGATTA_DEVICE bool first() const { return head && lane_of_head == 0 && tile_begin == 0; }
  template <class W>
  REGATTA_DEVICE W sum_of_head(W value) const {
    return sum_over(value, 1, lanes);
  }
  template <class W>
  REGATTA_DEVICE W sum_of_edge_slots(W value) const {
    return sum_over(value, merge_low, kWarp);
  }
};

/// First out-edge in [begin, end) whose destination is beyond the rows.
REGATTA_DEVICE std::int64_t cut_by_rows(const DeviceGraph& graph,
                                        std::int64_t begin,
                                        std::int64_t end) {
  while (begin < end) {
    const std::int64_t middle = begin + (end - begin) / 2;
    if (graph.out_dst[middle] < graph.rows)
      begin = middle + 1;
    else
      end = middle;
  }
  return begin;
}

/// Task `number` for this lane. `items`: rows or nodes of the call; those beyond have no edges here
/// and no item.
REGATTA_DEVICE Task find_task(const DeviceSchedule& tasks,
                              const Layout& layout,
                              std::int64_t number,
                              std::int64_t items,
                              int edge_slot) {
  Task task;
  task.offset = edge_slot;
  task.stride = layout.edge_slots;
  std::int64_t item = -1;
  std::int64_t first = 0;
  std::int64_t most = 0x7FFFFFFFFFFFFFFF;
  if (number < tasks.pieces) {
    const std::int64_t n = tasks.piece_long[number];
    item = tasks.long_item[n];
    first = (number - tasks.first_piece[n]) * DegreeSchedule::kPieceEdges;
    most = DegreeSchedule::kPieceEdges;
    task.piece = number;
  } else if (number < tasks.pieces + tasks.warp_items) {
    item = tasks.order[number - tasks.pieces];
  } else {
    const std::int64_t n = number - tasks.pieces - tasks.warp_items;
    const std::int64_t at = n * layout.edge_slots + edge_slot;
    if (at < tasks.short_items)
      item = tasks.order[tasks.warp_items + at];
    task.offset = 0;
    task.stride = 1;
  }
  if (item < 0 || item >= items)
    return task;
  task.item = item;
  task.begin = tasks.ptr[item] + first;
  const std::int64_t left = tasks.ptr[item + 1] - task.begin;
  task.end = task.begin + (left < most ? left : most);
  return task;
}

/// Sets `rounds` to the most any lane of the warp needs at `edges` a round; all lanes call.
REGATTA_DEVICE void agree_on_rounds(Task& task, int edges) {
  const std::int64_t step = static_cast<std::int64_t>(task.stride) * edges;
  std::int64_t most = (task.end - task.begin + step - 1) / step;
  for (int mask = 1; mask < kWarp; mask *= 2) {
    const std::int64_t other = exchange(most, mask);
    most = other > most ? other : most;
  }
  task.rounds = most;
}

/// The row of a table at a lane's columns, widened; 0 where it has none.
template <class T, int V, int K>
struct RowValues {
  Working<T> element[K][V];

  REGATTA_DEVICE void clear() {
    REGATTA_UNROLL
    for (int k = 0; k < K; ++k) REGATTA_UNROLL
    for (int v = 0; v < V; ++v) element[k][v] = 0;
  }
  /// `row`: the first element of the head's row; read only when `read`.
  REGATTA_DEVICE void load(const T* row, const Columns<V, K>& columns, bool read) {
    Packet<T, V> packet[K];
    REGATTA_UNROLL
    for (int k = 0; k < K; ++k) {
      REGATTA_UNROLL
      for (int v = 0; v < V; ++v) packet[k].element[v] = T();
      if (read && columns.has(k))
        packet[k] = load_packet<T, V>(row + columns.column(k));
    }
    REGATTA_UNROLL
    for (int k = 0; k < K; ++k) REGATTA_UNROLL
    for (int v = 0; v < V; ++v) element[k][v] = widen(packet[k].element[v]);
  }
};

}  // namespace regatta::cuda
