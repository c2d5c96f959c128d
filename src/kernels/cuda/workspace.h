// What the CUDA kernels keep between launches, laid out in the caller's workspace.
#pragma once

#include "kernels/cuda/device_launches.h"

#include <cstddef>
#include <cstdint>

namespace regatta::cuda {

/// Hands out parts of one block, 256 bytes aligned; without a block it only counts.
class Arena {
 public:
  explicit Arena(void* base) : base_(static_cast<std::byte*>(base)) {}
  /// Null when count is 0 or there is no block.
  template <class E>
  E* take(std::int64_t count) {
    const std::size_t at = used_;
    used_ += (static_cast<std::size_t>(count) * sizeof(E) + 255) / 256 * 256;
    return base_ == nullptr || count == 0 ? nullptr : reinterpret_cast<E*>(base_ + at);
  }
  std::size_t used() const { return used_; }

 private:
  std::byte* base_;
  std::size_t used_ = 0;
};

/// dot whose scores are made by kernels of their own: their shape is not that of the messages, or
/// the edges' features take part.
inline bool has_given_scores(const AttentionInputs& in) {
  return in.kind == AttentionKind::kDot &&
         (in.logit_heads() != in.heads || in.logit_width() != in.width || in.edge.query != nullptr);
}

template <class T>
struct ForwardSpace {
  std::uint32_t* survivors;
  Working<T>* given;
  Working<T>* logsumexp;  ///< for edge_out, where the caller wants none
  Working<T>* partial;

  ForwardSpace(const AttentionForwardArgs& args, Arena& arena);
};

template <class T>
struct BackwardSpace {
  using W = Working<T>;
  std::uint32_t* survivors;
  W* given;
  RowRecord<W>* records;
  T* grad_out;
  W* grad_logit;
  W* query_sums;
  W* vector_partial;
  W* weight_partial;
  W* partial;
  W* column_sums;

  BackwardSpace(const AttentionBackwardArgs& args, Arena& arena);
};

/// Whether dt comes from C, so that nothing of size E is needed for it.
inline bool uses_correction(const AttentionBackwardArgs& args) {
  return args.correction != nullptr && args.grad_logsumexp == nullptr;
}

/// Whether gamma (delta for gat) is wanted by kernels after the one that makes it.
inline bool keeps_logit_gradient(const AttentionBackwardArgs& args) {
  switch (args.in.kind) {
    case AttentionKind::kGat:
      return !uses_correction(args);
    case AttentionKind::kGatv2:
      return args.in.edge.weight != nullptr;
    case AttentionKind::kDot:
      break;
  }
  return has_given_scores(args.in);
}

/// gatv2: most task groups of the backward's pass over rows.
inline std::int64_t most_task_groups(const PreparedGraph& graph) {
  const auto tasks = static_cast<std::int64_t>(graph.row_schedule.piece_long.size() +
                                               graph.row_schedule.order.size());
  return (tasks + kTasksOfWarp - 1) / kTasksOfWarp;
}

}  // namespace regatta::cuda
