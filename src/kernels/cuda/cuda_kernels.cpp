// Checks the arguments, lays them out for the device and launches.
#include "kernels/cuda/cuda_kernels.h"

#include "core/error.h"
#include "kernels/attention_checks.h"
#include "kernels/cuda/device_arguments.h"
#include "kernels/cuda/workspace.h"

namespace regatta {
namespace cuda {
namespace {

cudaStream_t (*stream_source)() = nullptr;

cudaStream_t stream() {
  return stream_source == nullptr ? nullptr : stream_source();
}

void check_launch(cudaError_t status, const char* kernel) {
  if (status != cudaSuccess)
    fail(ExitCode::kDevice,
         "CUDA kernel '{}' could not start: {}",
         kernel,
         cudaGetErrorString(status));
}

/// A host pointer in a device kernel would stop the whole process at some later call.
void require_device_graph(const PreparedGraph* graph) {
  if (graph == nullptr)
    return;  // the checks of all tables name it
  if (!graph->on_device)
    fail(ExitCode::kInternal, "CUDA attention kernel: the graph's arrays lie in host memory");
  if (!graph->row_schedule.built() || !graph->node_schedule.built())
    fail(ExitCode::kInternal,
         "CUDA attention kernel: the graph has no degree schedules; call add_degree_schedules "
         "before its arrays go to the device");
}

Logits logits_of(const AttentionInputs& in) {
  if (has_given_scores(in))
    return Logits::kGiven;
  return in.kind == AttentionKind::kDot     ? Logits::kDot
         : in.kind == AttentionKind::kGatv2 ? Logits::kGatv2
                                            : Logits::kGat;
}

DeviceSchedule rows_of(const PreparedGraph& graph) {
  return device_schedule(graph.row_schedule, graph.in.indptr.data());
}
DeviceSchedule nodes_of(const PreparedGraph& graph) {
  return device_schedule(graph.node_schedule, graph.out_ptr.data());
}

/// What comes before the rows of either pass: bits of message dropout, scores of their own.
template <class T>
void find_masks_and_scores(DeviceAttention<T>& in,
                           const AttentionInputs& args,
                           std::uint32_t* survivors,
                           Working<T>* given) {
  if (args.message_dropout.probability > 0) {
    check_launch(launch_survivors(in, survivors, stream()), "message dropout");
    in.survivors = survivors;
  }
  if (has_given_scores(args)) {
    check_launch(launch_scores<T>(in, nullptr, given, stream()), "attention scores");
    in.given = given;
  }
}

template <class T>
void forward_typed(const AttentionForwardArgs& args) {
  using W = Working<T>;
  Arena arena(args.workspace);
  const ForwardSpace<T> space(args, arena);
  DeviceAttention<T> in = device_attention<T>(args.in);
  find_masks_and_scores(in, args.in, space.survivors, space.given);
  DeviceForward<T> out;
  out.out = static_cast<T*>(args.out);
  out.logsumexp = static_cast<W*>(args.logsumexp);
  out.correction = args.in.kind == AttentionKind::kGat ? static_cast<T*>(args.correction) : nullptr;
  out.y = static_cast<T*>(args.epilogue.y);
  out.residual = static_cast<const T*>(args.epilogue.residual);
  out.epilogue = device_epilogue<T>(args.epilogue);
  out.partial = space.partial;
  if (args.in.edge.query != nullptr && out.logsumexp == nullptr)
    // edge_out needs L even where nobody else does.
    out.logsumexp = space.logsumexp;
  const bool aligned = all_aligned(in.value, in.query, in.key);
  check_launch(
      launch_forward(in, logits_of(args.in), rows_of(*args.in.graph), out, aligned, stream()),
      "attention forward");
  if (args.in.edge.query != nullptr)
    check_launch(launch_feature_sums<T>(
                     in, in.given, out.logsumexp, static_cast<W*>(args.edge_out), stream()),
                 "sums of edge features");
}

template <class T>
DeviceBackward<T> device_backward(const AttentionBackwardArgs& args,
                                  const BackwardSpace<T>& space) {
  using W = Working<T>;
  DeviceBackward<T> out;
  out.out = static_cast<const T*>(args.out);
  out.logsumexp = static_cast<const W*>(args.logsumexp);
  if (args.in.kind == AttentionKind::kGat && uses_correction(args))
    out.correction = static_cast<const T*>(args.correction);
  const bool activation = args.epilogue.changes_gradient();
  out.y = activation ? static_cast<const T*>(args.epilogue.y) : nullptr;
  out.epilogue = device_epilogue<T>(args.epilogue);
  out.grad_y = static_cast<const T*>(args.grad_out);
  out.grad_logsumexp = static_cast<const W*>(args.grad_logsumexp);
  out.grad_edge_out = static_cast<const W*>(args.grad_edge_out);
  out.grad_residual = static_cast<T*>(args.grad_residual);
  out.grad_out_space = space.grad_out;
  out.grad_out = !activation                    ? out.grad_y
                 : out.grad_residual != nullptr ? out.grad_residual
                                                : space.grad_out;
  out.records = space.records;
  out.grad_logit =
      args.grad_edge_logit != nullptr ? static_cast<W*>(args.grad_edge_logit) : space.grad_logit;
  if (args.in.shares_table()) {
    if constexpr (std::is_same_v<T, W>)
      out.query_sums = static_cast<W*>(args.grad_value);
    else
      out.query_sums = space.query_sums;
  }
  out.grad_value = static_cast<T*>(args.grad_value);
  out.grad_query = static_cast<T*>(args.grad_query);
  out.grad_key = static_cast<T*>(args.grad_key);
  out.grad_s = static_cast<W*>(args.grad_source_logit);
  out.grad_t = static_cast<W*>(args.grad_destination_logit);
  out.vector_partial = space.vector_partial;
  out.partial = space.partial;
  return out;
}

/// dt of gat where C does not give it.
template <class T>
void finish_gat(const DeviceAttention<T>& in, const DeviceBackward<T>& out) {
  if (out.correction == nullptr)
    check_launch(launch_row_sums<T>(in, out.grad_logit, out.grad_t, stream()),
                 "gradient of destination logits");
}

/// da and the gradient of the edges' weights.
template <class T>
void finish_gatv2(const AttentionBackwardArgs& args,
                  const DeviceAttention<T>& in,
                  const DeviceBackward<T>& out,
                  const BackwardSpace<T>& space,
                  bool aligned) {
  using W = Working<T>;
  const std::int64_t row = in.heads * in.width;
  const std::int64_t groups = row_task_groups<T>(in, rows_of(*args.in.graph), aligned);
  check_launch(launch_column_sums<W>(space.vector_partial,
                                     groups,
                                     row,
                                     space.column_sums,
                                     static_cast<W*>(args.grad_attention_vector),
                                     stream()),
               "gradient of the attention vector");
  if (args.in.edge.weight == nullptr)
    return;
  check_launch(launch_edge_weight<T>(in, out.grad_logit, space.weight_partial, stream()),
               "gradient of edge weights");
  check_launch(launch_column_sums<W>(space.weight_partial,
                                     in.graph.rows == 0 ? 0 : edge_slices(in.graph.edges),
                                     in.features * row,
                                     space.column_sums,
                                     static_cast<W*>(args.grad_edge_weight),
                                     stream()),
               "gradient of edge weights");
}

/// dot with scores of their own: gamma first, then the tables it weighs.
template <class T>
void backward_of_given(const AttentionBackwardArgs& args,
                       const DeviceAttention<T>& in,
                       const DeviceBackward<T>& out) {
  using W = Working<T>;
  check_launch(launch_given_gamma<T>(in, out, static_cast<const W*>(args.edge_out), stream()),
               "gradient of attention scores");
  check_launch(launch_given_tables<T>(in, out, stream()), "gradient of query and key");
  if (args.in.edge.query != nullptr)
    check_launch(launch_feature_sums<T>(
                     in, out.grad_logit, nullptr, static_cast<W*>(args.grad_edge_query), stream()),
                 "gradient of edge queries");
}

template <class T>
void backward_typed(const AttentionBackwardArgs& args) {
  Arena arena(args.workspace);
  const BackwardSpace<T> space(args, arena);
  DeviceAttention<T> in = device_attention<T>(args.in);
  find_masks_and_scores(in, args.in, space.survivors, space.given);
  const DeviceBackward<T> out = device_backward<T>(args, space);
  const Logits logits = logits_of(args.in);
  const bool aligned = all_aligned(in.value,
                                   in.query,
                                   in.key,
                                   out.out,
                                   out.correction,
                                   out.grad_y,
                                   out.grad_residual,
                                   out.grad_out_space);
  check_launch(launch_prepare(in, out, aligned, stream()), "start of the attention backward");
  if (logits == Logits::kGiven)
    backward_of_given(args, in, out);
  else if (logits != Logits::kGat)
    check_launch(launch_backward_rows(in, logits, rows_of(*args.in.graph), out, aligned, stream()),
                 "attention backward over rows");
  check_launch(launch_backward_nodes(in, logits, nodes_of(*args.in.graph), out, aligned, stream()),
               "attention backward over nodes");
  if (logits == Logits::kGat)
    finish_gat(in, out);
  if (logits == Logits::kGatv2)
    finish_gatv2(args, in, out, space, aligned);
  if (args.grad_bias != nullptr)
    check_launch(launch_column_sums<T>(out.grad_out,
                                       args.in.rows,
                                       in.heads * in.width,
                                       space.column_sums,
                                       static_cast<Working<T>*>(args.grad_bias),
                                       stream()),
                 "gradient of the bias");
}

std::size_t forward_workspace_bytes(const AttentionForwardArgs& args) {
  if (args.in.graph == nullptr)
    return 0;
  Arena arena(nullptr);
  with_storage(args.in.dtype, [&]<class T>(T) { ForwardSpace<T>(args, arena); });
  return arena.used();
}

std::size_t backward_workspace_bytes(const AttentionBackwardArgs& args) {
  if (args.in.graph == nullptr)
    return 0;
  Arena arena(nullptr);
  with_storage(args.in.dtype, [&]<class T>(T) { BackwardSpace<T>(args, arena); });
  return arena.used();
}

void forward(const AttentionForwardArgs& args) {
  require_device_graph(args.in.graph);
  check_forward(args, forward_workspace_bytes(args));
  with_storage(args.in.dtype, [&]<class T>(T) { forward_typed<T>(args); });
}

void backward(const AttentionBackwardArgs& args) {
  require_device_graph(args.in.graph);
  check_backward(args, backward_workspace_bytes(args));
  with_storage(args.in.dtype, [&]<class T>(T) { backward_typed<T>(args); });
}

void weights(const AttentionWeightsArgs& args) {
  require_device_graph(args.in.graph);
  check_attention_inputs(args.in);
  // check_weights() would read the number of edges from device memory; the whole graph's count
  // will do.
  if (args.in.rows == 0 || args.in.graph->in.src.empty())
    return;
  if (args.logsumexp == nullptr || args.weights == nullptr)
    fail(ExitCode::kInternal,
         "attention kernel: argument '{}' is null but has elements",
         args.logsumexp == nullptr ? "logsumexp" : "weights");
  with_storage(args.in.dtype, [&]<class T>(T) {
    check_launch(launch_scores<T>(device_attention<T>(args.in),
                                  static_cast<const Working<T>*>(args.logsumexp),
                                  static_cast<Working<T>*>(args.weights),
                                  stream()),
                 "attention weights");
  });
}

void sparse_project(const SparseProjectionArgs& args) {
  check_sparse_projection(args, false);
  with_storage(args.dtype, [&]<class T>(T) {
    for (const auto* each = &args; each != nullptr; each = each->also)
      check_launch(launch_sparse<T>(device_sparse<T>(*each),
                                    static_cast<const T*>(each->weight),
                                    static_cast<T*>(each->out),
                                    stream()),
                   "sparse product");
  });
}

void sparse_project_backward(const SparseProjectionArgs& args) {
  check_sparse_projection(args, true);
  with_storage(args.dtype, [&]<class T>(T) {
    for (const auto* each = &args; each != nullptr; each = each->also)
      check_launch(launch_sparse_backward<T>(device_sparse<T>(*each),
                                             static_cast<const T*>(each->grad_out),
                                             static_cast<Working<T>*>(each->grad_weight),
                                             stream()),
                   "gradient of the sparse product");
  });
}

void drop_features(const FeatureDropoutArgs& args) {
  if (args.rows == 0 || args.width == 0)
    return;
  REGATTA_CHECK(args.dtype != KernelType::kBFloat16, "feature dropout is fp32 or fp64");
  REGATTA_CHECK(args.global_id != nullptr && args.x != nullptr && args.out != nullptr,
                "feature dropout without its arrays");
  check_launch(args.dtype == KernelType::kFloat64
                   ? launch_feature_dropout(device_features<double>(args), stream())
                   : launch_feature_dropout(device_features<float>(args), stream()),
               "input dropout");
}

}  // namespace
}  // namespace cuda

void set_kernel_stream_source(cudaStream_t (*source)()) {
  cuda::stream_source = source;
}

const KernelTable& cuda_kernels() {
  static const KernelTable table = {
      "cuda",
      cuda::forward_workspace_bytes,
      cuda::backward_workspace_bytes,
      cuda::forward,
      cuda::backward,
      cuda::weights,
      cuda::sparse_project,
      cuda::sparse_project_backward,
      cuda::drop_features,
  };
  return table;
}

}  // namespace regatta
