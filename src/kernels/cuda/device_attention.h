// What the CUDA kernels take: plain structs of device pointers.
//
// Legend as in kernels/attention.h; W is the working type.
#pragma once

#include "kernels/cuda/device_code.cuh"
#include "kernels/prepared_graph.h"
#include "kernels/storage_types.h"

namespace regatta::cuda {

/// Where logits come from. kGiven: from an array [E,Hs] that another kernel filled.
enum class Logits { kGat, kGatv2, kDot, kGiven };

struct DeviceDropout {
  std::uint64_t key = 0;
  const std::uint64_t* stored_key = nullptr;  ///< read in place of `key` where not null
  std::uint32_t threshold = 0;                ///< an element survives when its word reaches it
  double scale = 1;                           ///< of survivors; 1 when there is no dropout
  bool on = false;
};

struct DeviceGraph {
  std::int64_t rows = 0, nodes = 0;  ///< R and N of the call: prefixes of the graph's
  std::int64_t edges = 0;            ///< of the whole graph
  bool all_rows = true;              ///< R is all rows of the graph
  const std::int64_t* indptr = nullptr;
  const std::int32_t* src = nullptr;
  const std::int64_t* edge_id = nullptr;
  const std::int64_t* global_id = nullptr;
  const std::int64_t* out_ptr = nullptr;
  const std::int32_t* out_dst = nullptr;
  const std::int64_t* out_edge = nullptr;
};

template <class T>
struct DeviceAttention {
  using W = Working<T>;
  DeviceGraph graph;
  std::int64_t heads = 0, width = 0;
  std::int64_t score_heads = 0, score_width = 0;  ///< Hs, Ds
  std::int64_t features = 0;                      ///< Fe
  bool dot = false, gatv2 = false;                ///< gat otherwise
  const T* value = nullptr;
  const T* query = nullptr;
  const T* key = nullptr;
  const W* s = nullptr;
  const W* t = nullptr;
  const W* a = nullptr;
  W slope = 0;
  W scale = 1;
  const W* edge_logit = nullptr;
  const W* edge_x = nullptr;
  const W* edge_query = nullptr;
  const W* edge_weight = nullptr;
  const W* given = nullptr;                  ///< logits of kGiven [E,Hs]
  const std::uint32_t* survivors = nullptr;  ///< bits of mu [N, mask_words]; null: no dropout
  std::int64_t mask_words = 0;               ///< ceil(H*D / 32)
  DeviceDropout attention_dropout;
  DeviceDropout message_dropout;
};

/// A DegreeSchedule's arrays.
struct DeviceSchedule {
  const std::int64_t* ptr = nullptr;  ///< lists are [ptr[i], ptr[i+1])
  const std::int32_t* long_item = nullptr;
  const std::int64_t* first_piece = nullptr;
  const std::int32_t* piece_long = nullptr;
  const std::int32_t* order = nullptr;
  std::int64_t longs = 0, pieces = 0, warp_items = 0, short_items = 0;
};

/// How the 32 lanes of a warp share a row: `lanes` lanes a head, `head_slots` heads, and what is
/// left takes other edges of the row (or other rows, when rows are short). All are powers of two.
struct Layout {
  int lanes = 1;
  int head_slots = 1;
  int edge_slots = 1;
  std::int64_t head_blocks = 1;  ///< warps that share a row's heads
  std::int64_t tiles = 1;        ///< warps that share a head's width

  REGATTA_BOTH std::int64_t warps_a_task() const { return head_blocks * tiles; }
};

template <class W>
struct DeviceEpilogue {
  FusedActivation activation = FusedActivation::kNone;
  W slope = 0;
  const W* bias = nullptr;
};

template <class T>
struct DeviceForward {
  using W = Working<T>;
  T* out = nullptr;
  W* logsumexp = nullptr;
  T* correction = nullptr;
  T* y = nullptr;
  const T* residual = nullptr;
  DeviceEpilogue<W> epilogue;
  W* partial = nullptr;  ///< of the pieces [P, forward_partial()]
};

/// Maximum, sum and sum over u > 0 of each head, then the two sums of messages.
template <class T>
REGATTA_BOTH std::int64_t forward_partial(const DeviceAttention<T>& in) {
  return in.heads * 3 + 2 * in.heads * in.width;
}

/// What the backward needs of a destination's head, read as one 16-byte piece in fp32.
template <class W>
struct alignas(4 * sizeof(W)) RowRecord {
  W t, logsumexp, delta, unused;
};

template <class T>
struct DeviceBackward {
  using W = Working<T>;
  const T* out = nullptr;
  const W* logsumexp = nullptr;
  const T* correction = nullptr;  ///< null: dt is summed from grad_logit
  const T* y = nullptr;           ///< null: grad_out is that of O
  DeviceEpilogue<W> epilogue;
  const T* grad_y = nullptr;          ///< g as given
  const W* grad_logsumexp = nullptr;  ///< null: none
  const W* grad_edge_out = nullptr;   ///< null: none
  T* grad_out_space = nullptr;      ///< where g times the activation's slope goes; null: not needed
  const T* grad_out = nullptr;      ///< gradient of O, after prepare
  T* grad_residual = nullptr;       ///< null: none
  RowRecord<W>* records = nullptr;  ///< [R,H]
  W* grad_logit = nullptr;          ///< gamma (delta for gat) [E,Hs]; null: not wanted
  W* query_sums = nullptr;          ///< dot with one table: parts that its gradient adds up [N,H,D]
  T* grad_value = nullptr;
  T* grad_query = nullptr;
  T* grad_key = nullptr;
  W* grad_s = nullptr;
  W* grad_t = nullptr;
  W* vector_partial = nullptr;  ///< gatv2: sums of da [task groups, H, D]
  W* partial = nullptr;         ///< of the pieces [P, backward_partial()]
};

/// Two rows and a sum of each head.
template <class T>
REGATTA_BOTH std::int64_t backward_partial(const DeviceAttention<T>& in) {
  return in.heads + 2 * in.heads * in.width;
}

/// In-edge tasks that one warp takes in turn, so that gatv2 keeps few sums of da.
constexpr std::int64_t kTasksOfWarp = 8;

inline std::int64_t task_count(const DeviceSchedule& tasks, const Layout& layout) {
  const std::int64_t slots = layout.edge_slots;
  return tasks.pieces + tasks.warp_items + (tasks.short_items + slots - 1) / slots;
}

/// Rows of dense features under input dropout; W is float or double.
template <class W>
struct DeviceFeatures {
  std::int64_t rows = 0, width = 0;
  const std::int64_t* global_id = nullptr;
  const W* x = nullptr;
  W* out = nullptr;
  DeviceDropout dropout;
};

template <class T>
struct DeviceSparse {
  std::int64_t rows = 0, features = 0, columns = 0;
  const std::int64_t* row_ptr = nullptr;
  const std::int32_t* column = nullptr;
  const float* value = nullptr;
  const std::int64_t* global_id = nullptr;
  const std::int64_t* column_ptr = nullptr;
  const std::int32_t* column_row = nullptr;
  const float* column_value = nullptr;
  DeviceDropout dropout;
};

}  // namespace regatta::cuda
