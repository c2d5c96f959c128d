// The CUDA table on a GPU, called with host memory: arrays go to the device before a call and come
// back after it, so that the conformance tests of the CPU tables serve it as they are.
#include "kernels/cuda_library.h"
#include "kernels/feature_dropout.h"
#include "kernels/kernel_variants.h"
#include "kernels/prepared_graph.h"
#include "kernels/storage_types.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <map>

namespace regatta::test {
namespace {

/// Copies of the arrays of one call. Inputs that share memory share the copy too: one table in
/// several roles is told by its pointers.
class DeviceArrays {
 public:
  explicit DeviceArrays(KernelType dtype) : dtype_(dtype) {}

  void in(const void*& pointer, std::int64_t count, std::size_t size) {
    if (pointer == nullptr)
      return;
    auto& copy = copies_[pointer];
    if (!copy.defined() && count > 0)
      copy = torch::from_blob(const_cast<void*>(pointer),
                              {count * static_cast<std::int64_t>(size)},
                              torch::dtype(at::kByte))
                 .cuda();
    if (copy.defined())
      pointer = copy.const_data_ptr();
  }
  void table(const void*& pointer, std::int64_t count) {
    in(pointer, count, storage_bytes(dtype_));
  }
  void stored_key(DropoutArgs& dropout) {
    const void* pointer = dropout.stored_key;
    in(pointer, 1, sizeof(std::uint64_t));
    dropout.stored_key = static_cast<const std::uint64_t*>(pointer);
  }
  void working(const void*& pointer, std::int64_t count) {
    in(pointer, count, working_bytes(dtype_));
  }
  void table_out(void*& pointer, std::int64_t count) { out(pointer, count, storage_bytes(dtype_)); }
  void working_out(void*& pointer, std::int64_t count) {
    out(pointer, count, working_bytes(dtype_));
  }
  void workspace(void*& pointer, std::size_t bytes) {
    if (pointer == nullptr)
      return;
    // 0xFF bytes are NaN: reading what was never written shows in the result.
    space_ = torch::full(
        {static_cast<std::int64_t>(bytes)}, 255, torch::dtype(at::kByte).device(at::kCUDA));
    pointer = space_.data_ptr();
  }
  void copy_back() {
    for (const auto& [host, device] : outputs_) {
      const at::Tensor result = device.cpu();
      std::memcpy(host, result.const_data_ptr(), static_cast<std::size_t>(result.nbytes()));
    }
  }

 private:
  void out(void*& pointer, std::int64_t count, std::size_t size) {
    if (pointer == nullptr || count == 0)
      return;
    auto& copy = outputs_[pointer];
    if (!copy.defined())
      copy = torch::full({count * static_cast<std::int64_t>(size)},
                         255,
                         torch::dtype(at::kByte).device(at::kCUDA));
    pointer = copy.data_ptr();
  }

  KernelType dtype_;
  std::map<const void*, at::Tensor> copies_;
  std::map<void*, at::Tensor> outputs_;
  at::Tensor space_;
};

std::int64_t edges_of_rows(const AttentionInputs& in) {
  return in.rows == 0 ? 0 : in.graph->in.indptr[static_cast<std::size_t>(in.rows)];
}

struct Sizes {
  explicit Sizes(const AttentionInputs& in)
      : row(in.heads * in.width),
        score_row(in.kind == AttentionKind::kDot ? in.logit_heads() * in.logit_width() : row),
        edges(edges_of_rows(in)) {}
  std::int64_t row, score_row, edges;
};

void move_inputs(DeviceArrays& arrays, AttentionInputs& in, const PreparedGraph& graph) {
  const Sizes sizes(in);
  in.graph = &graph;
  arrays.stored_key(in.attention_dropout);
  arrays.stored_key(in.message_dropout);
  arrays.table(in.value, in.nodes * sizes.row);
  arrays.table(in.query, in.rows * sizes.score_row);
  arrays.table(in.key, in.nodes * sizes.score_row);
  arrays.working(in.source_logit, in.nodes * in.heads);
  arrays.working(in.destination_logit, in.rows * in.heads);
  arrays.working(in.attention_vector, sizes.row);
  arrays.working(in.edge.logit, sizes.edges * in.logit_heads());
  arrays.working(in.edge.x, sizes.edges * in.edge.features);
  arrays.working(in.edge.query, in.rows * in.logit_heads() * in.edge.features);
  arrays.working(in.edge.weight, in.edge.features * sizes.row);
}

void forward(const AttentionForwardArgs& host) {
  const PreparedGraph graph = on_device(*host.in.graph);
  const Sizes sizes(host.in);
  AttentionForwardArgs args = host;
  DeviceArrays arrays(args.in.dtype);
  move_inputs(arrays, args.in, graph);
  arrays.table_out(args.out, args.in.rows * sizes.row);
  arrays.working_out(args.logsumexp, args.in.rows * args.in.logit_heads());
  arrays.table_out(args.correction, args.in.rows * sizes.row);
  arrays.working_out(args.edge_out, args.in.rows * args.in.heads * args.in.edge.features);
  arrays.working(args.epilogue.bias, sizes.row);
  arrays.table(args.epilogue.residual, args.in.rows * sizes.row);
  arrays.table_out(args.epilogue.y, args.in.rows * sizes.row);
  const KernelTable& table = *plugin().kernels();
  arrays.workspace(args.workspace, table.forward_workspace_bytes(args));
  table.forward(args);
  arrays.copy_back();
}

void move_gradients(DeviceArrays& arrays, AttentionBackwardArgs& args, const Sizes& sizes) {
  const AttentionInputs& in = args.in;
  arrays.table_out(args.grad_value, in.nodes * sizes.row);
  arrays.table_out(args.grad_query, in.rows * sizes.score_row);
  arrays.table_out(args.grad_key, in.nodes * sizes.score_row);
  arrays.working_out(args.grad_source_logit, in.nodes * in.heads);
  arrays.working_out(args.grad_destination_logit, in.rows * in.heads);
  arrays.working_out(args.grad_attention_vector, sizes.row);
  arrays.working_out(args.grad_edge_logit, sizes.edges * in.logit_heads());
  arrays.working_out(args.grad_edge_query, in.rows * in.logit_heads() * in.edge.features);
  arrays.working_out(args.grad_edge_weight, in.edge.features * sizes.row);
  arrays.working_out(args.grad_bias, sizes.row);
  arrays.table_out(args.grad_residual, in.rows * sizes.row);
}

void backward(const AttentionBackwardArgs& host) {
  const PreparedGraph graph = on_device(*host.in.graph);
  const Sizes sizes(host.in);
  AttentionBackwardArgs args = host;
  const AttentionInputs& in = args.in;
  DeviceArrays arrays(in.dtype);
  move_inputs(arrays, args.in, graph);
  arrays.table(args.out, in.rows * sizes.row);
  arrays.working(args.logsumexp, in.rows * in.logit_heads());
  arrays.table(args.correction, in.rows * sizes.row);
  arrays.working(args.edge_out, in.rows * in.heads * in.edge.features);
  arrays.working(args.epilogue.bias, sizes.row);
  const void* y = args.epilogue.y;
  arrays.table(y, in.rows * sizes.row);
  args.epilogue.y = const_cast<void*>(y);
  arrays.table(args.grad_out, in.rows * sizes.row);
  arrays.working(args.grad_edge_out, in.rows * in.heads * in.edge.features);
  arrays.working(args.grad_logsumexp, in.rows * in.logit_heads());
  move_gradients(arrays, args, sizes);
  const KernelTable& table = *plugin().kernels();
  arrays.workspace(args.workspace, table.backward_workspace_bytes(args));
  table.backward(args);
  arrays.copy_back();
}

void weights(const AttentionWeightsArgs& host) {
  const PreparedGraph graph = on_device(*host.in.graph);
  AttentionWeightsArgs args = host;
  DeviceArrays arrays(args.in.dtype);
  const std::int64_t edges = edges_of_rows(host.in);
  move_inputs(arrays, args.in, graph);
  arrays.working(args.logsumexp, args.in.rows * args.in.logit_heads());
  arrays.working_out(args.weights, edges * args.in.logit_heads());
  plugin().kernels()->weights(args);
  arrays.copy_back();
}

void sparse(const SparseProjectionArgs& host, bool backward) {
  const PreparedSparse x = on_device(*host.x);
  SparseProjectionArgs args = host;
  args.x = &x;
  args.also = nullptr;  // its arrays are moved by a call of its own
  if (host.also != nullptr)
    sparse(*host.also, backward);
  DeviceArrays arrays(args.dtype);
  arrays.table(args.weight, x.columns * args.columns);
  arrays.table_out(args.out, args.rows * args.columns);
  arrays.table(args.grad_out, args.rows * args.columns);
  arrays.working_out(args.grad_weight, x.columns * args.columns);
  if (backward)
    args.out = nullptr;
  else
    args.grad_weight = nullptr;
  backward ? plugin().kernels()->sparse_project_backward(args)
           : plugin().kernels()->sparse_project(args);
  arrays.copy_back();
}

void drop_features(const FeatureDropoutArgs& host) {
  FeatureDropoutArgs args = host;
  DeviceArrays arrays(args.dtype);
  arrays.stored_key(args.dropout);
  const void* ids = args.global_id;
  arrays.in(ids, args.rows, sizeof(std::int64_t));
  args.global_id = static_cast<const std::int64_t*>(ids);
  arrays.table(args.x, args.rows * args.width);
  arrays.table_out(args.out, args.rows * args.width);
  plugin().kernels()->feature_dropout(args);
  arrays.copy_back();
}

/// The workspace of the device's call is its own; asked on the host, some bytes stand for it.
std::size_t some_bytes() {
  return 64;
}

}  // namespace

TEST(CudaDevice, ServesTheConformanceTests) {
  std::string why;
  ASSERT_NE(find_cuda_library(&why), nullptr) << why;
  if (plugin().device_count() == 0)
    GTEST_SKIP() << "SKIPPED: no GPU";
  std::printf("%s\n", plugin().device_description(0).c_str());
}

std::vector<KernelVariant> kernel_variants() {
  static const KernelTable table = {"cuda",
                                    [](const AttentionForwardArgs&) { return some_bytes(); },
                                    [](const AttentionBackwardArgs&) { return some_bytes(); },
                                    forward,
                                    backward,
                                    weights,
                                    [](const SparseProjectionArgs& args) { sparse(args, false); },
                                    [](const SparseProjectionArgs& args) { sparse(args, true); },
                                    drop_features};
  return {{"cuda", &table, 0}};
}

}  // namespace regatta::test

/// Without a GPU two tests are left: one says so, the other needs none. googletest's own main would
/// take its filter from the command line.
int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  std::string why;
  const regatta::CudaPlugin* library = regatta::test::find_cuda_library(&why);
  if (library == nullptr || library->device_count() == 0)
    GTEST_FLAG_SET(filter, "CudaDevice.*:PlacedRows.*");
  return RUN_ALL_TESTS();
}
