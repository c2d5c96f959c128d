#include "kernels/cuda/workspace.h"

#include <algorithm>

namespace regatta::cuda {
namespace {

std::int64_t edges_of_graph(const AttentionInputs& in) {
  return static_cast<std::int64_t>(in.graph->in.src.size());
}

std::int64_t words_of_survivors(const AttentionInputs& in) {
  return in.message_dropout.probability == 0 ? 0 : in.nodes * ((in.heads * in.width + 31) / 32);
}

std::int64_t given_scores(const AttentionInputs& in) {
  return has_given_scores(in) ? edges_of_graph(in) * in.logit_heads() : 0;
}

/// Elements of a piece: three scalars a head and two rows are the most (device_attention.h).
std::int64_t piece_elements(const AttentionInputs& in, std::int64_t scalars) {
  return in.heads * scalars + 2 * in.heads * in.width;
}

std::int64_t pieces(const DegreeSchedule& schedule) {
  return static_cast<std::int64_t>(schedule.piece_long.size());
}

}  // namespace

template <class T>
ForwardSpace<T>::ForwardSpace(const AttentionForwardArgs& args, Arena& arena)
    : survivors(arena.take<std::uint32_t>(words_of_survivors(args.in))),
      given(arena.take<Working<T>>(given_scores(args.in))),
      logsumexp(arena.take<Working<T>>(args.in.edge.query != nullptr && args.logsumexp == nullptr
                                           ? args.in.rows * args.in.logit_heads()
                                           : 0)),
      partial(arena.take<Working<T>>(pieces(args.in.graph->row_schedule) *
                                     piece_elements(args.in, 3))) {}

template <class T>
BackwardSpace<T>::BackwardSpace(const AttentionBackwardArgs& args, Arena& arena) {
  const AttentionInputs& in = args.in;
  const std::int64_t row = in.heads * in.width;
  const bool gatv2 = in.kind == AttentionKind::kGatv2;
  const std::int64_t groups = gatv2 ? most_task_groups(*in.graph) : 0;
  const std::int64_t slices = in.edge.weight == nullptr ? 0 : edge_slices(edges_of_graph(in));
  survivors = arena.take<std::uint32_t>(words_of_survivors(in));
  given = arena.take<W>(given_scores(in));
  records = arena.take<RowRecord<W>>(in.rows * in.heads);
  grad_out = arena.take<T>(
      args.epilogue.changes_gradient() && args.grad_residual == nullptr ? in.rows * row : 0);
  grad_logit = arena.take<W>(keeps_logit_gradient(args) && args.grad_edge_logit == nullptr
                                 ? edges_of_graph(in) * in.logit_heads()
                                 : 0);
  query_sums = arena.take<W>(in.shares_table() && !std::is_same_v<T, W> ? in.nodes * row : 0);
  vector_partial = arena.take<W>(groups * row);
  weight_partial = arena.take<W>(slices * in.edge.features * row);
  partial =
      arena.take<W>(std::max(pieces(in.graph->row_schedule), pieces(in.graph->node_schedule)) *
                    piece_elements(in, 1));
  column_sums =
      arena.take<W>(std::max({gatv2 ? column_sum_space(groups, row) : 0,
                              column_sum_space(slices, in.edge.features * row),
                              args.grad_bias != nullptr ? column_sum_space(in.rows, row) : 0}));
}

template struct ForwardSpace<float>;
template struct ForwardSpace<double>;
template struct ForwardSpace<BFloat16>;
template struct BackwardSpace<float>;
template struct BackwardSpace<double>;
template struct BackwardSpace<BFloat16>;

}  // namespace regatta::cuda
