#include "nn/batch.h"

#include "core/error.h"
#include "graph/subgraph.h"
#include "nn/batch_placement.h"

#include <torch/types.h>

#include <algorithm>

namespace regatta {
namespace {

template <class T>
at::Tensor host_tensor(std::span<const T> values, std::vector<std::int64_t> shape) {
  const auto type = c10::CppTypeToScalarType<T>::value;
  // from_blob takes a mutable pointer; nothing writes through it before clone().
  return torch::from_blob(const_cast<T*>(values.data()), shape, torch::TensorOptions(type)).clone();
}

void check_hops(const GraphChunk& chunk, int layers, bool halo_exact) {
  if (halo_exact && chunk.hops < layers) {
    fail(ExitCode::kData,
         "chunk {}: a model of {} layers needs an exact halo of {} hops, the dataset has {}; "
         "preprocess with halo.hops >= {}",
         chunk.chunk,
         layers,
         layers,
         chunk.hops,
         layers);
  }
}

/// Node counts by layer for rings at `ring_ptr`; without rings (hops = 0) every layer computes all
/// rows.
void set_layer_extents(Batch& batch,
                       const CsrGraph& graph,
                       std::span<const std::int64_t> ring_ptr,
                       std::int64_t hops,
                       int layers,
                       bool prefixes) {
  const std::int64_t rows = batch.graph.in.rows;
  const std::int64_t nodes = batch.graph.in.nodes;
  for (int l = 0; l < layers; ++l) {
    const std::int64_t after = layers - 1 - l;
    const auto ring_end = [&](std::int64_t ring) {
      return ring_ptr[static_cast<std::size_t>(std::min(ring, hops) + 1)];
    };
    batch.rows_out.push_back(prefixes ? std::min(ring_end(after), rows) : rows);
    batch.nodes_in.push_back(prefixes ? std::min(ring_end(after + 1), nodes) : nodes);
    batch.edges_out.push_back(graph.indptr[static_cast<std::size_t>(batch.rows_out.back())]);
  }
}

at::Tensor dense_features(const NodeFeatures& features,
                          std::int64_t nodes,
                          const BatchPlacement& placement) {
  return host_tensor(features.x.span(), {nodes, features.width}).to(placement.dtype);
}

/// With the schedules that the kernels of a GPU need, still in host memory.
PreparedGraph prepared_for(PreparedGraph prepared, const BatchPlacement& placement) {
  if (!placement.device.is_cpu())
    add_degree_schedules(prepared);
  return prepared;
}

void set_graph(Batch& batch, const CsrGraph& graph, const SharedArray<std::int64_t>& global_id) {
  batch.global_id = host_tensor(global_id.span(), {graph.nodes});
  batch.graph = prepared_for(prepare_graph(graph, global_id), batch.placement);
}

void set_features(Batch& batch,
                  const NodeFeatures& features,
                  std::int64_t nodes,
                  const SharedArray<std::int64_t>& global_id) {
  batch.features.width = features.width;
  if (features.kind == FeatureKind::kDense) {
    batch.features.dense = dense_features(features, nodes, batch.placement);
  } else {
    batch.features.sparse = prepare_sparse(
        nodes, features.width, features.x_indptr, features.x_index, features.x_value, global_id);
  }
}

/// Features and types of the chunk's in-edges at `edges`, in that order; nullopt = all of them.
void set_edge_attributes(Batch& batch,
                         const GraphChunk& chunk,
                         std::optional<std::span<const std::int64_t>> edges) {
  const auto count = static_cast<std::int64_t>(edges ? edges->size() : chunk.graph.src.size());
  const auto source = [&](std::int64_t e) {
    return edges ? (*edges)[static_cast<std::size_t>(e)] : e;
  };
  if (const std::int64_t width = chunk.edge_width; width > 0) {
    at::Tensor x = torch::empty({count, width}, torch::kFloat);
    auto* out = x.mutable_data_ptr<float>();
    for (std::int64_t e = 0; e < count; ++e)
      std::copy_n(chunk.edge_x.data() + source(e) * width, width, out + e * width);
    const bool wide = batch.placement.dtype == torch::kDouble;
    batch.edge_x = x.to(wide ? torch::kDouble : torch::kFloat);
  }
  if (chunk.typed_edges) {
    at::Tensor type = torch::empty({count}, torch::kInt64);
    auto* out = type.mutable_data_ptr<std::int64_t>();
    for (std::int64_t e = 0; e < count; ++e)
      out[e] = chunk.edge_type[static_cast<std::size_t>(source(e))];
    batch.edge_type = type;
  }
}

std::size_t memory_of(const PreparedGraph& graph) {
  return (graph.in.indptr.size() + graph.out_ptr.size() + 2 * graph.global_id.size()) * 8 +
         graph.in.src.size() * (4 + 8 + 4 + 8) +
         (graph.row_schedule.order.size() + graph.node_schedule.order.size()) * 4;
}

std::int64_t memory_of(const Batch& batch) {
  std::size_t bytes = memory_of(batch.graph);
  for (const RelationGraph& relation : batch.relations)
    bytes += memory_of(relation.graph) + static_cast<std::size_t>(relation.position.nbytes());
  for (const at::Tensor& tensor : {batch.features.dense, batch.edge_x, batch.edge_type}) {
    if (tensor.defined())
      bytes += static_cast<std::size_t>(tensor.nbytes());
  }
  if (batch.features.sparse)
    bytes += batch.features.sparse->value.size() * 20;
  return static_cast<std::int64_t>(bytes);
}

/// The edges of type t. Their order, and so that of every sum, is that of the whole graph.
RelationGraph edges_of_relation(const Batch& batch,
                                const CsrGraph& graph,
                                const SharedArray<std::int64_t>& global_id,
                                std::span<const std::int64_t> type,
                                std::int64_t t) {
  std::vector<std::int64_t> indptr{0}, edge_id, position;
  std::vector<std::int32_t> src;
  at::Tensor occupied = torch::zeros({graph.rows}, torch::kBool);
  bool* occupied_rows = occupied.mutable_data_ptr<bool>();
  for (std::int64_t row = 0; row < graph.rows; ++row) {
    const auto r = static_cast<std::size_t>(row);
    for (std::int64_t e = graph.indptr[r]; e < graph.indptr[r + 1]; ++e) {
      const auto edge = static_cast<std::size_t>(e);
      if (type[edge] != t)
        continue;
      src.push_back(graph.src[edge]);
      edge_id.push_back(graph.edge_id[edge]);
      position.push_back(e);
      occupied_rows[row] = true;
    }
    indptr.push_back(static_cast<std::int64_t>(src.size()));
  }
  RelationGraph relation;
  for (const std::int64_t rows : batch.rows_out)
    relation.edges_out.push_back(indptr[static_cast<std::size_t>(rows)]);
  relation.position =
      host_tensor<std::int64_t>(position, {static_cast<std::int64_t>(position.size())});
  relation.occupied = occupied;
  CsrGraph edges{graph.rows, graph.nodes, std::move(indptr), std::move(src), std::move(edge_id)};
  relation.graph = prepared_for(prepare_graph(std::move(edges), global_id), batch.placement);
  return relation;
}

/// Rows `nodes` of the chunk's features, in that order.
NodeFeatures gather_features(const NodeFeatures& all, std::span<const std::int32_t> nodes) {
  NodeFeatures part;
  part.kind = all.kind;
  part.width = all.width;
  if (all.kind == FeatureKind::kDense) {
    std::vector<float> x;
    x.reserve(nodes.size() * static_cast<std::size_t>(all.width));
    for (const std::int32_t node : nodes) {
      const float* row = all.x.data() + node * all.width;
      x.insert(x.end(), row, row + all.width);
    }
    part.x = std::move(x);
    return part;
  }
  std::vector<std::int64_t> indptr{0};
  std::vector<std::int32_t> index;
  std::vector<float> value;
  for (const std::int32_t node : nodes) {
    const auto n = static_cast<std::size_t>(node);
    const std::int64_t begin = all.x_indptr[n], end = all.x_indptr[n + 1];
    index.insert(index.end(), all.x_index.data() + begin, all.x_index.data() + end);
    value.insert(value.end(), all.x_value.data() + begin, all.x_value.data() + end);
    indptr.push_back(static_cast<std::int64_t>(index.size()));
  }
  part.x_indptr = std::move(indptr);
  part.x_index = std::move(index);
  part.x_value = std::move(value);
  return part;
}

}  // namespace

Batch make_host_batch(const GraphChunk& chunk,
                      int layers,
                      bool halo_exact,
                      const BatchPlacement& placement) {
  check_hops(chunk, layers, halo_exact);
  Batch batch;
  batch.placement = placement;
  set_graph(batch, chunk.graph, chunk.global_id);
  set_features(batch, chunk.features, chunk.num_nodes(), chunk.global_id);
  set_edge_attributes(batch, chunk, std::nullopt);
  set_layer_extents(
      batch, chunk.graph, chunk.ring_ptr.span(), chunk.hops, layers, halo_exact && chunk.hops > 0);
  add_relation_graphs(batch, chunk.graph);
  batch.bytes = memory_of(batch);
  return batch;
}

Batch make_batch(const GraphChunk& chunk,
                 int layers,
                 bool halo_exact,
                 const BatchPlacement& placement) {
  Batch batch = make_host_batch(chunk, layers, halo_exact, placement);
  place_batch({&batch, {}});
  return batch;
}

Batch make_range_batch(const GraphChunk& chunk,
                       std::span<const std::int64_t> targets,
                       int layers,
                       bool halo_exact,
                       const BatchPlacement& placement,
                       std::vector<std::int64_t>& row_of_target) {
  check_hops(chunk, layers, halo_exact);
  const std::vector<std::int32_t> rows(targets.begin(), targets.end());
  const Subgraph part = extract_subgraph(chunk.graph.view(), rows, chunk.global_id.span(), layers);

  std::vector<std::int64_t> ids;
  ids.reserve(part.parent_node.size());
  for (const std::int32_t node : part.parent_node) {
    ids.push_back(chunk.global_id[static_cast<std::size_t>(node)]);
  }
  std::vector<std::int64_t> row_in_batch(static_cast<std::size_t>(chunk.num_nodes()), -1);
  for (std::size_t i = 0; i < part.parent_node.size(); ++i) {
    row_in_batch[static_cast<std::size_t>(part.parent_node[i])] = static_cast<std::int64_t>(i);
  }
  row_of_target.clear();
  for (const std::int64_t t : targets) {
    row_of_target.push_back(row_in_batch[static_cast<std::size_t>(t)]);
  }

  Batch batch;
  batch.placement = placement;
  const SharedArray<std::int64_t> global_id(std::move(ids));
  set_graph(batch, part.graph, global_id);
  set_features(
      batch, gather_features(chunk.features, part.parent_node), part.graph.nodes, global_id);
  set_edge_attributes(batch, chunk, part.parent_edge);
  set_layer_extents(batch, part.graph, part.ring_ptr, layers, layers, true);
  add_relation_graphs(batch, part.graph);
  batch.bytes = memory_of(batch);
  place_batch({&batch, {}});
  return batch;
}

void add_relation_graphs(Batch& batch, const CsrGraph& graph) {
  if (batch.placement.relations == 0 || !batch.edge_type.defined())
    return;
  const std::span<const std::int64_t> type(batch.edge_type.const_data_ptr<std::int64_t>(),
                                           static_cast<std::size_t>(batch.edge_type.numel()));
  const auto global = batch.global_id.const_data_ptr<std::int64_t>();
  const SharedArray<std::int64_t> global_id(
      std::vector<std::int64_t>(global, global + batch.global_id.numel()));
  for (const std::int64_t t : type) {
    if (t < 0 || t >= batch.placement.relations) {
      fail(
          ExitCode::kData,
          "edge type {} found, the model knows the relations 0 to {}; preprocess the data with the "
          "relations of the training's dataset",
          t,
          batch.placement.relations - 1);
    }
  }
  batch.relations.clear();
  for (std::int64_t t = 0; t < batch.placement.relations; ++t)
    batch.relations.push_back(edges_of_relation(batch, graph, global_id, type, t));
}

TargetRows target_rows(const NodeTarget& target,
                       Split split,
                       std::int64_t split_index,
                       at::Device device) {
  std::vector<std::int64_t> rows, labels;
  const auto stride = static_cast<std::size_t>(target.splittings);
  for (std::size_t i = 0; i < target.value.size(); ++i) {
    if (target.split[i * stride + static_cast<std::size_t>(split_index)] !=
        static_cast<std::uint8_t>(split)) {
      continue;
    }
    rows.push_back(static_cast<std::int64_t>(i));
    labels.push_back(target.value[i]);
  }
  return {torch::tensor(rows, torch::kInt64).to(device),
          torch::tensor(labels, torch::kInt64).to(device)};
}

}  // namespace regatta
