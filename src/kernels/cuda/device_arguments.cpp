#include "kernels/cuda/device_arguments.h"

#include "core/rng.h"

namespace regatta::cuda {
namespace {

DeviceGraph device_graph(const AttentionInputs& in) {
  const PreparedGraph& graph = *in.graph;
  DeviceGraph out;
  out.rows = in.rows;
  out.nodes = in.nodes;
  out.edges = static_cast<std::int64_t>(graph.in.src.size());
  out.all_rows = in.rows == graph.in.rows;
  out.indptr = graph.in.indptr.data();
  out.src = graph.in.src.data();
  out.edge_id = graph.in.edge_id.data();
  out.global_id = graph.global_id.data();
  out.out_ptr = graph.out_ptr.data();
  out.out_dst = graph.out_dst.data();
  out.out_edge = graph.out_edge.data();
  return out;
}

}  // namespace

DeviceDropout device_dropout(const DropoutArgs& dropout) {
  if (dropout.probability == 0)
    return {};
  return {dropout.key.value,
          dropout.stored_key,
          dropout_threshold(dropout.probability),
          1 / (1 - dropout.probability),
          true};
}

DeviceSchedule device_schedule(const DegreeSchedule& schedule, const std::int64_t* ptr) {
  DeviceSchedule out;
  out.ptr = ptr;
  out.long_item = schedule.long_item.data();
  out.first_piece = schedule.first_piece.data();
  out.piece_long = schedule.piece_long.data();
  out.order = schedule.order.data();
  out.longs = static_cast<std::int64_t>(schedule.long_item.size());
  out.pieces = static_cast<std::int64_t>(schedule.piece_long.size());
  out.warp_items = schedule.short_begin;
  out.short_items = static_cast<std::int64_t>(schedule.order.size()) - schedule.short_begin;
  return out;
}

template <class T>
DeviceAttention<T> device_attention(const AttentionInputs& in) {
  using W = Working<T>;
  DeviceAttention<T> out;
  out.graph = device_graph(in);
  out.heads = in.heads;
  out.width = in.width;
  out.score_heads = in.logit_heads();
  out.score_width = in.logit_width();
  out.features = in.edge.features;
  out.dot = in.kind == AttentionKind::kDot;
  out.gatv2 = in.kind == AttentionKind::kGatv2;
  out.value = static_cast<const T*>(in.value);
  out.query = static_cast<const T*>(in.query);
  out.key = static_cast<const T*>(in.key);
  out.s = static_cast<const W*>(in.source_logit);
  out.t = static_cast<const W*>(in.destination_logit);
  out.a = static_cast<const W*>(in.attention_vector);
  out.slope = static_cast<W>(in.negative_slope);
  out.scale = static_cast<W>(in.scale);
  out.edge_logit = static_cast<const W*>(in.edge.logit);
  out.edge_x = static_cast<const W*>(in.edge.x);
  out.edge_query = static_cast<const W*>(in.edge.query);
  out.edge_weight = static_cast<const W*>(in.edge.weight);
  out.mask_words = (in.heads * in.width + 31) / 32;
  out.attention_dropout = device_dropout(in.attention_dropout);
  out.message_dropout = device_dropout(in.message_dropout);
  return out;
}

template <class W>
DeviceFeatures<W> device_features(const FeatureDropoutArgs& args) {
  DeviceFeatures<W> out;
  out.rows = args.rows;
  out.width = args.width;
  out.global_id = args.global_id;
  out.x = static_cast<const W*>(args.x);
  out.out = static_cast<W*>(args.out);
  out.dropout = device_dropout(args.dropout);
  return out;
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

template DeviceAttention<float> device_attention(const AttentionInputs&);
template DeviceAttention<double> device_attention(const AttentionInputs&);
template DeviceAttention<BFloat16> device_attention(const AttentionInputs&);
template DeviceFeatures<float> device_features(const FeatureDropoutArgs&);
template DeviceFeatures<double> device_features(const FeatureDropoutArgs&);
template DeviceSparse<float> device_sparse(const SparseProjectionArgs&);
template DeviceSparse<double> device_sparse(const SparseProjectionArgs&);
template DeviceSparse<BFloat16> device_sparse(const SparseProjectionArgs&);

}  // namespace regatta::cuda
