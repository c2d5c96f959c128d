#include "preprocess/construct/chunk_builder.h"

#include "graph/halo.h"

#include <span>
#include <utility>
#include <vector>

namespace regatta {
namespace {

using Nodes = std::span<const std::int32_t>;

void select_edge_attributes(const EdgeAttributes& all, GraphChunk& chunk) {
  const auto& edge_id = chunk.graph.edge_id;
  chunk.edge_width = all.features.width;
  std::vector<float> x;
  x.reserve(edge_id.size() * static_cast<std::size_t>(chunk.edge_width));
  for (std::size_t e = 0; chunk.edge_width > 0 && e < edge_id.size(); ++e) {
    const auto row = all.x.begin() + edge_id[e] * chunk.edge_width;
    x.insert(x.end(), row, row + chunk.edge_width);
  }
  chunk.edge_x = std::move(x);
  chunk.typed_edges = !all.types.names.empty();
  if (!chunk.typed_edges)
    return;
  std::vector<std::uint16_t> type;
  type.reserve(edge_id.size());
  for (const std::int64_t edge : edge_id) type.push_back(all.type[edge]);
  chunk.edge_type = std::move(type);
}

NodeTarget select_target(const GraphData& data, Nodes owned) {
  std::vector<std::int64_t> value;
  std::vector<std::uint8_t> split;
  for (const std::int32_t node : owned) {
    value.push_back(data.label[node]);
    split.push_back(data.split[node]);
  }
  NodeTarget target;
  target.name = kLabelTarget;
  target.value = std::move(value);
  target.split = std::move(split);
  return target;
}

OriginalIds select_ids(const IdColumn& all, Nodes nodes) {
  const IdColumn ids = all.select({nodes.begin(), nodes.end()});
  OriginalIds original;
  if (ids.is_text()) {
    original.text_bytes = std::vector<std::uint8_t>(ids.bytes().begin(), ids.bytes().end());
    original.text_offset = ids.offsets();
  } else {
    original.integer = ids.integers();
  }
  return original;
}

void set_owners(const Partition& partition, Nodes halo, GraphChunk& chunk) {
  std::vector<std::int32_t> owner_chunk;
  std::vector<std::int64_t> owner_row;
  for (const std::int32_t node : halo) {
    owner_chunk.push_back(partition.owner[node]);
    owner_row.push_back(partition.row[node]);
  }
  chunk.owner_chunk = std::move(owner_chunk);
  chunk.owner_row = std::move(owner_row);
}

std::int64_t stored_rows(const HaloOptions& halo, const Rings& rings) {
  if (halo.mode == "one_hop")
    return static_cast<std::int64_t>(rings.nodes.size());
  return halo.mode == "exact" ? rings.ring_ptr[halo.hops] : rings.ring_ptr[1];
}

}  // namespace

NodeFeatures select_features(const NodeFeatures& all, std::span<const std::int32_t> nodes) {
  NodeFeatures features;
  features.kind = all.kind;
  features.width = all.width;
  if (all.kind == FeatureKind::kDense) {
    std::vector<float> x;
    x.reserve(nodes.size() * static_cast<std::size_t>(all.width));
    for (const std::int32_t node : nodes) {
      const auto row = all.x.begin() + node * all.width;
      x.insert(x.end(), row, row + all.width);
    }
    features.x = std::move(x);
    return features;
  }
  std::vector<std::int64_t> indptr{0};
  std::vector<std::int32_t> index;
  std::vector<float> value;
  for (const std::int32_t node : nodes) {
    const std::int64_t begin = all.x_indptr[node];
    const std::int64_t end = all.x_indptr[node + 1];
    index.insert(index.end(), all.x_index.begin() + begin, all.x_index.begin() + end);
    value.insert(value.end(), all.x_value.begin() + begin, all.x_value.begin() + end);
    indptr.push_back(static_cast<std::int64_t>(index.size()));
  }
  features.x_indptr = std::move(indptr);
  features.x_index = std::move(index);
  features.x_value = std::move(value);
  return features;
}

std::int64_t halo_hops(const HaloOptions& halo) {
  if (halo.mode == "exact")
    return halo.hops;
  return halo.mode == "one_hop" ? 1 : 0;
}

GraphChunk build_chunk(const GraphData& data,
                       const Partition& partition,
                       const HaloOptions& halo,
                       std::int64_t number) {
  const CsrView graph = data.graph.view();
  const std::int64_t hops = halo_hops(halo);
  const Rings rings = collect_rings(graph, partition.members[number], {}, static_cast<int>(hops));
  const Nodes nodes = rings.nodes;
  const auto owned = static_cast<std::size_t>(rings.ring_ptr[1]);
  GraphChunk chunk;
  chunk.chunk = number;
  chunk.num_owned = rings.ring_ptr[1];
  chunk.hops = hops;
  chunk.graph = induce_rows(graph, nodes, stored_rows(halo, rings));
  select_edge_attributes(data.edges, chunk);
  chunk.global_id = std::vector<std::int64_t>(nodes.begin(), nodes.end());
  chunk.ring_ptr = rings.ring_ptr;
  if (hops > 0)
    set_owners(partition, nodes.subspan(owned), chunk);
  chunk.features = select_features(data.features, nodes);
  if (data.has_target)
    chunk.targets.push_back(select_target(data, nodes.first(owned)));
  chunk.original = select_ids(data.ids, nodes);
  return chunk;
}

}  // namespace regatta
