// Checks the arguments, lays them out for the device and launches.
#include "kernels/cuda/cuda_kernels.h"

#include "core/error.h"
#include "core/rng.h"
#include "kernels/attention_checks.h"
#include "kernels/cuda/device_attention.h"
#include "kernels/prepared_graph.h"

namespace regatta {
namespace cuda {
namespace {

cudaStream_t (*stream_source)() = nullptr;

cudaStream_t stream() {
  return stream_source == nullptr ? nullptr : stream_source();
}

void check_launch(cudaError_t status, const char* kernel) {
  if (status != cudaSuccess) {
    fail(ExitCode::kDevice,
         "CUDA kernel '{}' could not start: {}",
         kernel,
         cudaGetErrorString(status));
  }
}

DeviceDropout device_dropout(const DropoutArgs& dropout) {
  if (dropout.probability == 0) {
    return {};
  }
  return {dropout.key.value, dropout_threshold(dropout.probability), 1 / (1 - dropout.probability)};
}

template <class T>
DeviceAttention<T> device_attention(const AttentionInputs& in) {
  DeviceAttention<T> out;
  out.gat = in.kind == AttentionKind::kGat;
  out.rows = in.rows;
  out.nodes = in.nodes;
  out.heads = in.heads;
  out.width = in.width;
  out.indptr = in.graph->in.indptr.data();
  out.src = in.graph->in.src.data();
  out.edge_id = in.graph->in.edge_id.data();
  out.global_id = in.graph->global_id.data();
  out.out_ptr = in.graph->out_ptr.data();
  out.out_dst = in.graph->out_dst.data();
  out.out_edge = in.graph->out_edge.data();
  out.z = static_cast<const T*>(in.value);
  out.s = static_cast<const T*>(in.source_logit);
  out.t = static_cast<const T*>(in.destination_logit);
  out.slope = static_cast<T>(in.negative_slope);
  out.scale = static_cast<T>(in.scale);
  out.attention_dropout = device_dropout(in.attention_dropout);
  out.message_dropout = device_dropout(in.message_dropout);
  return out;
}

/// A host pointer in a device kernel would stop the whole process at some later call.
void require_device_graph(const PreparedGraph* graph) {
  if (graph != nullptr && !graph->on_device) {
    fail(ExitCode::kInternal, "CUDA attention kernel: the graph's arrays lie in host memory");
  }
}

/// Only gat and dot with one table, without terms of edges, in fp32 and fp64, have kernels here.
void require_kernel(const AttentionInputs& in, const AttentionEpilogue& epilogue) {
  if ((in.kind == AttentionKind::kGat || in.shares_table()) && in.dtype != KernelType::kBFloat16 &&
      in.edge.logit == nullptr && in.edge.query == nullptr && epilogue.y == nullptr)
    return;
  fail(ExitCode::kDevice,
       "CUDA attention kernel: this kind of attention has no CUDA kernel yet; use device: cpu");
}

template <class T>
void forward_typed(const AttentionForwardArgs& args) {
  const ForwardOutputs outputs = {args.out, args.logsumexp, args.correction};
  check_launch(launch_forward(device_attention<T>(args.in), outputs, stream()),
               "attention forward");
}

void forward(const AttentionForwardArgs& args) {
  require_device_graph(args.in.graph);
  check_forward(args, 0);
  require_kernel(args.in, args.epilogue);
  args.in.dtype == KernelType::kFloat32 ? forward_typed<float>(args) : forward_typed<double>(args);
}

std::size_t backward_workspace_bytes(const AttentionBackwardArgs& args) {
  const std::size_t element =
      args.in.dtype == KernelType::kFloat32 ? sizeof(float) : sizeof(double);
  return static_cast<std::size_t>(args.in.rows * args.in.heads) * element;
}

template <class T>
void backward_typed(const AttentionBackwardArgs& args) {
  const DeviceGradients<T> gradients = {static_cast<const T*>(args.out),
                                        static_cast<const T*>(args.logsumexp),
                                        static_cast<const T*>(args.correction),
                                        static_cast<const T*>(args.grad_out),
                                        static_cast<T*>(args.workspace),
                                        static_cast<T*>(args.grad_value),
                                        static_cast<T*>(args.grad_source_logit),
                                        static_cast<T*>(args.grad_destination_logit)};
  check_launch(launch_backward(device_attention<T>(args.in), gradients, stream()),
               "attention backward");
}

void backward(const AttentionBackwardArgs& args) {
  require_device_graph(args.in.graph);
  check_backward(args, backward_workspace_bytes(args));
  require_kernel(args.in, args.epilogue);
  args.in.dtype == KernelType::kFloat32 ? backward_typed<float>(args)
                                        : backward_typed<double>(args);
}

template <class T>
void weights_typed(const AttentionWeightsArgs& args) {
  check_launch(launch_weights(device_attention<T>(args.in),
                              static_cast<const T*>(args.logsumexp),
                              static_cast<T*>(args.weights),
                              stream()),
               "attention weights");
}

void weights(const AttentionWeightsArgs& args) {
  require_device_graph(args.in.graph);
  check_attention_inputs(args.in);
  require_kernel(args.in, {});
  // check_weights() would read the number of edges from device memory; the whole graph's count will
  // do.
  const bool edges = args.in.rows > 0 && !args.in.graph->in.src.empty();
  if (edges && (args.logsumexp == nullptr || args.weights == nullptr)) {
    fail(ExitCode::kInternal,
         "attention kernel: argument '{}' is null but has elements",
         args.logsumexp == nullptr ? "logsumexp" : "weights");
  }
  if (edges) {
    args.in.dtype == KernelType::kFloat32 ? weights_typed<float>(args)
                                          : weights_typed<double>(args);
  }
}

template <class T>
DeviceSparse<T> device_sparse(const SparseProjectionArgs& args) {
  const PreparedSparse& x = *args.x;
  DeviceSparse<T> out;
  out.rows = args.rows;
  out.features = x.columns;
  out.columns = args.columns;
  out.row_ptr = x.row_ptr.data();
  out.column = x.column.data();
  out.value = x.value.data();
  out.global_id = x.global_id.data();
  out.column_ptr = x.column_ptr.data();
  out.column_row = x.column_row.data();
  out.column_value = x.column_value.data();
  out.dropout = device_dropout(args.input_dropout);
  return out;
}

template <class T>
void sparse_typed(const SparseProjectionArgs& args) {
  check_launch(launch_sparse(device_sparse<T>(args),
                             static_cast<const T*>(args.weight),
                             static_cast<T*>(args.out),
                             stream()),
               "sparse product");
}

template <class T>
void sparse_backward_typed(const SparseProjectionArgs& args) {
  check_launch(launch_sparse_backward(device_sparse<T>(args),
                                      static_cast<const T*>(args.grad_out),
                                      static_cast<T*>(args.grad_weight),
                                      stream()),
               "gradient of the sparse product");
}

void sparse_project(const SparseProjectionArgs& args) {
  check_sparse_projection(args, false);
  args.dtype == KernelType::kFloat32 ? sparse_typed<float>(args) : sparse_typed<double>(args);
}

void sparse_project_backward(const SparseProjectionArgs& args) {
  check_sparse_projection(args, true);
  args.dtype == KernelType::kFloat32 ? sparse_backward_typed<float>(args)
                                     : sparse_backward_typed<double>(args);
}

}  // namespace
}  // namespace cuda

void set_kernel_stream_source(cudaStream_t (*source)()) {
  cuda::stream_source = source;
}

const KernelTable& cuda_kernels() {
  static const KernelTable table = {
      "cuda",
      [](const AttentionForwardArgs&) -> std::size_t { return 0; },
      cuda::backward_workspace_bytes,
      cuda::forward,
      cuda::backward,
      cuda::weights,
      cuda::sparse_project,
      cuda::sparse_project_backward,
  };
  return table;
}

}  // namespace regatta
