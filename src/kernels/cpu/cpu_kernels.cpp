// The table of CPU kernels: checks, layout of the workspace, and which passes make up each entry.
#include "kernels/attention.h"
#include "kernels/attention_checks.h"
#include "kernels/cpu/cpu_attention.h"
#include "kernels/cpu/row_pieces.h"
#include "kernels/prepared_graph.h"
#include "kernels/storage_types.h"

namespace regatta {
namespace cpu {
namespace {

std::size_t element_bytes(const AttentionInputs& in) {
  return storage_bytes(in.dtype);
}

/// Cases without a kernel of their own run on the reference.
bool fused(const AttentionInputs& in) {
  if (in.kind == AttentionKind::kGat)
    return true;
  if (in.dtype == KernelType::kBFloat16 || in.edge.logit != nullptr || in.edge.query != nullptr)
    return false;
  return in.shares_table();
}
bool fused(const AttentionForwardArgs& args) {
  return fused(args.in) && (args.in.kind == AttentionKind::kGat || args.epilogue.y == nullptr);
}
bool fused(const AttentionBackwardArgs& args) {
  return fused(args.in) && (args.in.kind == AttentionKind::kGat ||
                            (args.epilogue.y == nullptr && args.grad_logsumexp == nullptr));
}

std::size_t padded(std::size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

std::size_t node_rows_bytes(const AttentionInputs& in) {
  return padded(static_cast<std::size_t>(in.nodes * in.heads * in.width) * element_bytes(in));
}

/// Sizes of the parts of a backward workspace, in their order.
struct BackwardLayout {
  explicit BackwardLayout(const AttentionBackwardArgs& args) {
    const AttentionInputs& in = args.in;
    const bool masks = in.message_dropout.probability > 0;
    records = padded(static_cast<std::size_t>(in.rows * in.heads * 2) * element_bytes(in));
    masked = masks ? node_rows_bytes(in) : 0;
    pieces = masks ? padded(static_cast<std::size_t>(RowPieces::kMaxPieces * in.heads * in.width) *
                            kScratchRows * element_bytes(in))
                   : 0;
  }
  std::size_t total() const { return records + masked + pieces; }
  BackwardScratch scratch(void* workspace) const {
    auto* base = static_cast<std::byte*>(workspace);
    BackwardScratch parts;
    parts.records = base;
    if (masked > 0)
      parts.masked = base + records;
    if (pieces > 0)
      parts.pieces = base + records + masked;
    return parts;
  }

  std::size_t records;
  std::size_t masked;
  std::size_t pieces;
};

std::size_t forward_workspace_bytes(const AttentionForwardArgs& args) {
  if (args.in.kind == AttentionKind::kGat)
    return gat_forward_bytes(args);
  return fused(args) && args.in.message_dropout.probability > 0 ? node_rows_bytes(args.in) : 0;
}

std::size_t backward_workspace_bytes(const AttentionBackwardArgs& args) {
  if (args.in.kind == AttentionKind::kGat)
    return gat_backward_bytes(args);
  return fused(args) ? BackwardLayout(args).total() : 0;
}

void forward(const AttentionForwardArgs& args) {
  if (!fused(args))
    return reference_kernels().forward(args);
  // Only a valid graph tells how much memory is needed.
  check_attention_inputs(args.in);
  check_forward(args, forward_workspace_bytes(args));
  if (args.in.kind == AttentionKind::kGat)
    return gat_forward(args);
  const void* value = args.in.value;
  if (args.in.message_dropout.probability > 0) {
    mask_messages(args.in, args.workspace);
    value = args.workspace;
  }
  dot_forward(args, value);
}

void backward(const AttentionBackwardArgs& args) {
  if (!fused(args))
    return reference_kernels().backward(args);
  check_attention_inputs(args.in);
  check_backward(args, backward_workspace_bytes(args));
  if (args.in.kind == AttentionKind::kGat)
    return gat_backward(args);
  const BackwardLayout layout(args);
  const BackwardScratch scratch = layout.scratch(args.workspace);
  if (scratch.masked != nullptr)
    mask_messages(args.in, scratch.masked);
  dot_backward_rows(args, scratch);
  dot_backward_sources(args, scratch);
}

void project(const SparseProjectionArgs& args) {
  args.dtype == KernelType::kBFloat16 ? reference_kernels().sparse_project(args)
                                      : sparse_project(args);
}
void project_backward(const SparseProjectionArgs& args) {
  args.dtype == KernelType::kBFloat16 ? reference_kernels().sparse_project_backward(args)
                                      : sparse_project_backward(args);
}

}  // namespace
}  // namespace cpu

const KernelTable& cpu_kernels() {
  static const KernelTable table = {
      "cpu",
      cpu::forward_workspace_bytes,
      cpu::backward_workspace_bytes,
      cpu::forward,
      cpu::backward,
      cpu::attention_weights,
      cpu::project,
      cpu::project_backward,
  };
  return table;
}

}  // namespace regatta
