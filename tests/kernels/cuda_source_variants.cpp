// The sources of the CUDA table, run on this processor by the warp executor.
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/kernel_variants.h"
#include "kernels/prepared_graph.h"

namespace regatta::test {
namespace {

/// Host memory serves as device memory; the schedules are made anew for each call.
PreparedGraph as_device_graph(const PreparedGraph* graph) {
  if (graph == nullptr)
    return {};
  PreparedGraph copy = *graph;
  add_degree_schedules(copy);
  copy.on_device = true;
  return copy;
}

template <class Args>
struct DeviceCall {
  explicit DeviceCall(const Args& host) : graph(as_device_graph(host.in.graph)), args(host) {
    if (host.in.graph != nullptr)
      args.in.graph = &graph;
  }
  PreparedGraph graph;
  Args args;
};

const KernelTable& executed_cuda_kernels() {
  static const KernelTable table = {
      "cuda sources",
      [](const AttentionForwardArgs& args) {
        return cuda_kernels().forward_workspace_bytes(DeviceCall(args).args);
      },
      [](const AttentionBackwardArgs& args) {
        return cuda_kernels().backward_workspace_bytes(DeviceCall(args).args);
      },
      [](const AttentionForwardArgs& args) { cuda_kernels().forward(DeviceCall(args).args); },
      [](const AttentionBackwardArgs& args) { cuda_kernels().backward(DeviceCall(args).args); },
      [](const AttentionWeightsArgs& args) { cuda_kernels().weights(DeviceCall(args).args); },
      cuda_kernels().sparse_project,
      cuda_kernels().sparse_project_backward,
      cuda_kernels().feature_dropout};
  return table;
}

}  // namespace

std::vector<KernelVariant> kernel_variants() {
  return {{"cuda sources", &executed_cuda_kernels(), 0}};
}

}  // namespace regatta::test
