#include "nn/batch.h"

#include "core/error.h"
#include "graph/subgraph.h"

#include <torch/torch.h>

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
  }
}

at::Tensor dense_features(const NodeFeatures& features,
                          std::int64_t nodes,
                          const BatchPlacement& placement) {
  return host_tensor(features.x.span(), {nodes, features.width})
      .to(placement.device, placement.dtype);
}

PreparedSparse sparse_features(const NodeFeatures& features,
                               std::int64_t nodes,
                               const SharedArray<std::int64_t>& global_id,
                               const BatchPlacement& placement) {
  PreparedSparse sparse = prepare_sparse(
      nodes, features.width, features.x_indptr, features.x_index, features.x_value, global_id);
  const at::Device device = placement.device;
  sparse.row_ptr = place_array(sparse.row_ptr, device);
  sparse.column = place_array(sparse.column, device);
  sparse.value = place_array(sparse.value, device);
  sparse.global_id = place_array(sparse.global_id, device);
  sparse.column_ptr = place_array(sparse.column_ptr, device);
  sparse.column_row = place_array(sparse.column_row, device);
  sparse.column_value = place_array(sparse.column_value, device);
  return sparse;
}

void set_graph(Batch& batch, const CsrGraph& graph, const SharedArray<std::int64_t>& global_id) {
  batch.global_id = host_tensor(global_id.span(), {graph.nodes});
  PreparedGraph prepared = prepare_graph(graph, global_id);
  const at::Device device = batch.placement.device;
  if (!device.is_cpu()) {
    prepared.in.indptr = place_array(prepared.in.indptr, device);
    prepared.in.src = place_array(prepared.in.src, device);
    prepared.in.edge_id = place_array(prepared.in.edge_id, device);
    prepared.global_id = place_array(prepared.global_id, device);
    prepared.out_ptr = place_array(prepared.out_ptr, device);
    prepared.out_dst = place_array(prepared.out_dst, device);
    prepared.out_edge = place_array(prepared.out_edge, device);
    prepared.on_device = true;
  }
  batch.graph = std::move(prepared);
}

void set_features(Batch& batch,
                  const NodeFeatures& features,
                  std::int64_t nodes,
                  const SharedArray<std::int64_t>& global_id) {
  batch.features.width = features.width;
  if (features.kind == FeatureKind::kDense) {
    batch.features.dense = dense_features(features, nodes, batch.placement);
  } else {
    batch.features.sparse = sparse_features(features, nodes, global_id, batch.placement);
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
  const at::Device device = batch.placement.device;
  if (const std::int64_t width = chunk.edge_width; width > 0) {
    at::Tensor x = torch::empty({count, width}, torch::kFloat);
    auto* out = x.mutable_data_ptr<float>();
    for (std::int64_t e = 0; e < count; ++e)
      std::copy_n(chunk.edge_x.data() + source(e) * width, width, out + e * width);
    const bool wide = batch.placement.dtype == torch::kDouble;
    batch.edge_x = x.to(device, wide ? torch::kDouble : torch::kFloat);
  }
  if (chunk.typed_edges) {
    at::Tensor type = torch::empty({count}, torch::kInt64);
    auto* out = type.mutable_data_ptr<std::int64_t>();
    for (std::int64_t e = 0; e < count; ++e)
      out[e] = chunk.edge_type[static_cast<std::size_t>(source(e))];
    batch.edge_type = type.to(device);
  }
}

std::int64_t memory_of(const Batch& batch) {
  const PreparedGraph& graph = batch.graph;
  std::size_t bytes =
      (graph.in.indptr.size() + graph.out_ptr.size() + 2 * graph.global_id.size()) * 8;
  bytes += graph.in.src.size() * (4 + 8 + 4 + 8);
  for (const at::Tensor& tensor : {batch.features.dense, batch.edge_x, batch.edge_type}) {
    if (tensor.defined())
      bytes += static_cast<std::size_t>(tensor.nbytes());
  }
  if (batch.features.sparse)
    bytes += batch.features.sparse->value.size() * 16;
  return static_cast<std::int64_t>(bytes);
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

template <class T>
SharedArray<T> place_array(const SharedArray<T>& host, at::Device device) {
  if (device.is_cpu() || host.empty())
    return host;
  const auto length = static_cast<std::int64_t>(host.size());
  auto copy = std::make_shared<const at::Tensor>(host_tensor(host.span(), {length}).to(device));
  return SharedArray<T>(copy, {static_cast<const T*>(copy->const_data_ptr()), host.size()});
}
template SharedArray<float> place_array(const SharedArray<float>&, at::Device);
template SharedArray<std::int32_t> place_array(const SharedArray<std::int32_t>&, at::Device);
template SharedArray<std::int64_t> place_array(const SharedArray<std::int64_t>&, at::Device);

Batch make_batch(const GraphChunk& chunk,
                 int layers,
                 bool halo_exact,
                 const BatchPlacement& placement) {
  check_hops(chunk, layers, halo_exact);
  Batch batch;
  batch.placement = placement;
  set_graph(batch, chunk.graph, chunk.global_id);
  set_features(batch, chunk.features, chunk.num_nodes(), chunk.global_id);
  set_edge_attributes(batch, chunk, std::nullopt);
  set_layer_extents(batch, chunk.ring_ptr.span(), chunk.hops, layers, halo_exact && chunk.hops > 0);
  batch.bytes = memory_of(batch);
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
  set_layer_extents(batch, part.ring_ptr, layers, layers, true);
  batch.bytes = memory_of(batch);
  return batch;
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
