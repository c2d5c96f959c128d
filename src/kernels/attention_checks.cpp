// Argument checks of all kernel tables: null pointers, shapes, dropout, rows beyond the graph.
#include "kernels/attention_checks.h"

#include "core/error.h"
#include "kernels/prepared_graph.h"

#include <cmath>

namespace regatta {
namespace {

void require(const void* pointer, bool needed, const char* name) {
  if (needed && pointer == nullptr)
    fail(ExitCode::kInternal, "attention kernel: argument '{}' is null but has elements", name);
}

void check_dropout(const DropoutArgs& dropout, const char* name) {
  // Written so that NaN fails too.
  if (!(dropout.probability >= 0 && dropout.probability < 1))
    fail(ExitCode::kUsage, "{} is {}, expected a probability in [0, 1)", name, dropout.probability);
}

void check_shape(const AttentionInputs& in) {
  if (in.heads < 1 || in.width < 1)
    fail(ExitCode::kUsage,
         "attention needs at least one head of width 1, found heads {} and width {}",
         in.heads,
         in.width);
  if (in.rows < 0 || in.nodes < 0)
    fail(ExitCode::kInternal,
         "attention kernel: {} rows over {} nodes, expected 0 or more of each",
         in.rows,
         in.nodes);
  if (in.rows > in.graph->in.rows || in.nodes > in.graph->in.nodes)
    fail(ExitCode::kInternal,
         "attention kernel: {} rows over {} nodes asked of a graph with {} rows over {} nodes",
         in.rows,
         in.nodes,
         in.graph->in.rows,
         in.graph->in.nodes);
  if (in.shares_table() &&
      (in.rows > in.nodes || in.logit_heads() != in.heads || in.logit_width() != in.width))
    fail(ExitCode::kInternal,
         "attention kernel: query = key = value [{},{},{}] cannot serve {} rows and scores of {} "
         "heads of {}",
         in.nodes,
         in.heads,
         in.width,
         in.rows,
         in.logit_heads(),
         in.logit_width());
}

/// Scores of dot, and what the edges add.
void check_scores(const AttentionInputs& in) {
  if (in.kind != AttentionKind::kDot && (in.score_heads != 0 || in.score_width != 0))
    fail(ExitCode::kInternal, "attention kernel: score_heads and score_width belong to dot alone");
  if (in.logit_heads() != in.heads && in.logit_heads() != 1)
    fail(ExitCode::kUsage,
         "attention kernel: scores of {} heads for messages of {}, expected 1 or as many",
         in.logit_heads(),
         in.heads);
  if (in.logit_width() < 1)
    fail(ExitCode::kUsage,
         "attention kernel: scores of width {}, expected at least 1",
         in.logit_width());
}

void check_edge_terms(const AttentionInputs& in) {
  const EdgeTerms& edge = in.edge;
  const bool per_row = edge.query != nullptr;
  const bool in_sum = edge.weight != nullptr;
  if ((per_row && in.kind != AttentionKind::kDot) || (in_sum && in.kind != AttentionKind::kGatv2))
    fail(ExitCode::kInternal, "attention kernel: edge.query belongs to dot, edge.weight to gatv2");
  if (edge.features < 0 || ((per_row || in_sum) && edge.features == 0))
    fail(
        ExitCode::kUsage, "attention kernel: {} edge features, expected at least 1", edge.features);
  require(edge.x, (per_row || in_sum) && in.rows > 0 && !in.graph->in.src.empty(), "edge.x");
}

void check_tables(const AttentionInputs& in) {
  require(in.value, in.nodes > 0, "value");
  switch (in.kind) {
    case AttentionKind::kGat:
      require(in.source_logit, in.nodes > 0, "source_logit");
      require(in.destination_logit, in.rows > 0, "destination_logit");
      break;
    case AttentionKind::kGatv2:
      require(in.query, in.rows > 0, "query");
      require(in.attention_vector, true, "attention_vector");
      break;
    case AttentionKind::kDot:
      require(in.query, in.rows > 0, "query");
      require(in.key, in.nodes > 0, "key");
      break;
  }
  if (in.kind == AttentionKind::kDot) {
    if (!std::isfinite(in.scale))
      fail(
          ExitCode::kInternal, "attention kernel: scale is {}, expected a finite number", in.scale);
  } else if (!(in.negative_slope >= 0) || !std::isfinite(in.negative_slope)) {
    fail(ExitCode::kUsage, "negative slope is {}, expected a number >= 0", in.negative_slope);
  }
}

/// Out-edges are ascending by destination, so the first one of each node left out tells.
void check_sources(const AttentionInputs& in) {
  const PreparedGraph& graph = *in.graph;
  if (graph.on_device)
    return;
  for (auto j = static_cast<std::size_t>(in.nodes); j < static_cast<std::size_t>(graph.in.nodes);
       ++j) {
    const std::int64_t first = graph.out_ptr[j];
    if (first < graph.out_ptr[j + 1] && graph.out_dst[static_cast<std::size_t>(first)] < in.rows)
      fail(ExitCode::kInternal,
           "attention kernel: row {} has source {}, beyond the {} nodes given",
           graph.out_dst[static_cast<std::size_t>(first)],
           j,
           in.nodes);
  }
}

void check_workspace(const void* workspace, std::size_t bytes) {
  require(workspace, bytes > 0, "workspace");
  if (reinterpret_cast<std::uintptr_t>(workspace) % 64 != 0)
    fail(ExitCode::kInternal, "attention kernel: the workspace is not aligned to 64 bytes");
}

}  // namespace

std::int64_t edges_of(const AttentionInputs& in) {
  return in.rows == 0 ? 0 : in.graph->in.indptr[static_cast<std::size_t>(in.rows)];
}

void check_attention_inputs(const AttentionInputs& in) {
  if (in.graph == nullptr)
    fail(ExitCode::kInternal, "attention kernel: argument 'graph' is null");
  check_shape(in);
  check_dropout(in.attention_dropout, "attention dropout");
  check_dropout(in.message_dropout, "message dropout");
  check_scores(in);
  check_tables(in);
  check_edge_terms(in);
  if (in.message_dropout.probability > 0 &&
      in.graph->global_id.size() < static_cast<std::size_t>(in.nodes))
    fail(ExitCode::kInternal,
         "message dropout needs the global ids of {} nodes, the graph has {}",
         in.nodes,
         in.graph->global_id.size());
  check_sources(in);
}

void check_forward(const AttentionForwardArgs& args, std::size_t workspace_bytes) {
  check_attention_inputs(args.in);
  const bool rows = args.in.rows > 0;
  require(args.out, rows && args.epilogue.y == nullptr, "out");
  require(args.edge_out, rows && args.in.edge.query != nullptr, "edge_out");
  check_workspace(args.workspace, workspace_bytes);
}

void check_backward(const AttentionBackwardArgs& args, std::size_t workspace_bytes) {
  check_attention_inputs(args.in);
  const bool rows = args.in.rows > 0;
  const bool nodes = args.in.nodes > 0;
  require(args.out, rows, "out");
  require(args.logsumexp, rows, "logsumexp");
  require(args.grad_out, rows, "grad_out");
  require(args.grad_value, nodes, "grad_value");
  switch (args.in.kind) {
    case AttentionKind::kGat:
      require(args.grad_source_logit, nodes, "grad_source_logit");
      require(args.grad_destination_logit, rows, "grad_destination_logit");
      break;
    case AttentionKind::kGatv2:
      require(args.grad_query, rows, "grad_query");
      require(args.grad_attention_vector, true, "grad_attention_vector");
      break;
    case AttentionKind::kDot:
      require(args.grad_query, rows, "grad_query");
      require(args.grad_key, nodes, "grad_key");
      break;
  }
  if (args.in.shares_table() &&
      (args.grad_query != args.grad_value || args.grad_key != args.grad_value))
    fail(ExitCode::kInternal, "attention kernel: one table in three roles needs one gradient");
  require(args.edge_out, rows && args.grad_edge_out != nullptr, "edge_out");
  require(args.grad_edge_query, rows && args.in.edge.query != nullptr, "grad_edge_query");
  require(args.grad_edge_weight, args.in.edge.weight != nullptr, "grad_edge_weight");
  check_workspace(args.workspace, workspace_bytes);
}

void check_weights(const AttentionWeightsArgs& args) {
  check_attention_inputs(args.in);
  require(args.logsumexp, args.in.rows > 0, "logsumexp");
  require(args.weights, edges_of(args.in) > 0, "weights");
}

void check_sparse_projection(const SparseProjectionArgs& args, bool backward) {
  if (args.x == nullptr)
    fail(ExitCode::kInternal, "sparse product: argument 'x' is null");
  if (args.columns < 1)
    fail(ExitCode::kUsage, "sparse product: width {} found, expected at least 1", args.columns);
  if (args.rows < 0 || args.rows > args.x->rows)
    fail(ExitCode::kInternal,
         "sparse product: {} rows asked of a matrix with {}",
         args.rows,
         args.x->rows);
  check_dropout(args.input_dropout, "input dropout");
  if (args.input_dropout.probability > 0 &&
      args.x->global_id.size() < static_cast<std::size_t>(args.rows))
    fail(ExitCode::kInternal,
         "input dropout needs the global ids of {} rows, the matrix has {}",
         args.rows,
         args.x->global_id.size());
  require(args.weight, !backward && args.x->columns > 0, "weight");
  require(args.out, !backward && args.rows > 0, "out");
  require(args.grad_out, backward && args.rows > 0, "grad_out");
  require(args.grad_weight, backward && args.x->columns > 0, "grad_weight");
  if (args.also == nullptr)
    return;
  if (args.also->x != args.x || args.also->rows != args.rows || args.also->dtype != args.dtype ||
      args.also->input_dropout.key.value != args.input_dropout.key.value ||
      args.also->input_dropout.probability != args.input_dropout.probability)
    fail(ExitCode::kInternal, "sparse products of one pass differ in x, rows, dropout or type");
  check_sparse_projection(*args.also, backward);
}

}  // namespace regatta
