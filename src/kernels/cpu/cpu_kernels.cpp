// The table of CPU kernels: checks, and which passes make up each entry.
#include "kernels/attention.h"
#include "kernels/attention_checks.h"
#include "kernels/cpu/cpu_attention.h"
#include "kernels/feature_dropout.h"

namespace regatta {
namespace cpu {
namespace {

bool gat(const AttentionInputs& in) {
  return in.kind == AttentionKind::kGat;
}

std::size_t forward_workspace_bytes(const AttentionForwardArgs& args) {
  return gat(args.in) ? gat_forward_bytes(args) : row_forward_bytes(args);
}

std::size_t backward_workspace_bytes(const AttentionBackwardArgs& args) {
  return gat(args.in) ? gat_backward_bytes(args) : row_backward_bytes(args);
}

void forward(const AttentionForwardArgs& args) {
  // Only a valid graph tells how much memory is needed.
  check_attention_inputs(args.in);
  const std::size_t bytes = forward_workspace_bytes(args);
  check_forward(args, bytes);
  gat(args.in) ? gat_forward(args) : row_forward(args);
}

void backward(const AttentionBackwardArgs& args) {
  check_attention_inputs(args.in);
  const std::size_t bytes = backward_workspace_bytes(args);
  check_backward(args, bytes);
  gat(args.in) ? gat_backward(args) : row_backward(args);
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
      feature_dropout,
  };
  return table;
}

}  // namespace regatta
