#include "data/sample_dataset.h"

#include "core/rng.h"
#include "data/chunk_writer.h"
#include "graph/halo.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace regatta::test {
namespace {

struct WholeGraph {
  CsrGraph graph;
  std::vector<std::int32_t> owner;
  std::vector<std::int64_t> owner_row;
  std::vector<std::int64_t> label;
  std::vector<float> edge_x;             ///< by edge id
  std::vector<std::uint16_t> edge_type;  ///< by edge id
};

void add_edge_attributes(const SampleSpec& spec, RandomStream& random, WholeGraph& whole) {
  const std::size_t edges = whole.graph.src.size();
  whole.edge_x.resize(edges * static_cast<std::size_t>(spec.edge_width));
  for (float& value : whole.edge_x) value = static_cast<float>(random.next_normal());
  for (std::size_t e = 0; spec.edge_types > 0 && e < edges; ++e)
    whole.edge_type.push_back(
        static_cast<std::uint16_t>(random.next_below(static_cast<std::uint64_t>(spec.edge_types))));
}

WholeGraph make_graph(const SampleSpec& spec, RandomStream& random) {
  WholeGraph whole;
  std::vector<std::pair<std::int32_t, std::int32_t>> edges;
  const auto nodes = static_cast<std::uint64_t>(spec.nodes);
  for (std::int64_t e = 0; nodes > 0 && e < spec.nodes * spec.mean_degree; ++e) {
    const auto target = static_cast<std::int32_t>(random.next_below(nodes));
    edges.emplace_back(target, static_cast<std::int32_t>(random.next_below(nodes)));
  }
  std::sort(edges.begin(), edges.end());
  std::vector<std::int64_t> indptr(nodes + 1);
  std::vector<std::int32_t> src;
  std::vector<std::int64_t> id(edges.size());
  std::iota(id.begin(), id.end(), 0);
  for (const auto& [target, source] : edges) {
    ++indptr[static_cast<std::size_t>(target) + 1];
    src.push_back(source);
  }
  std::partial_sum(indptr.begin(), indptr.end(), indptr.begin());
  whole.graph = {spec.nodes, spec.nodes, std::move(indptr), std::move(src), std::move(id)};
  std::vector<std::int64_t> owned(static_cast<std::size_t>(spec.chunks));
  for (std::int64_t node = 0; node < spec.nodes; ++node) {
    const auto owner = random.next_below(static_cast<std::uint64_t>(spec.chunks));
    whole.owner.push_back(static_cast<std::int32_t>(owner));
    whole.owner_row.push_back(owned[owner]++);
    const bool labelled = spec.classes > 0 && random.next_below(5) != 0;
    whole.label.push_back(labelled ? static_cast<std::int64_t>(random.next_below(
                                         static_cast<std::uint64_t>(spec.classes)))
                                   : -1);
  }
  add_edge_attributes(spec, random, whole);
  return whole;
}

void select_edges(const SampleSpec& spec, const WholeGraph& whole, GraphChunk& chunk) {
  std::vector<float> x;
  std::vector<std::uint16_t> type;
  for (const std::int64_t id : chunk.graph.edge_id) {
    const auto row = whole.edge_x.begin() + id * spec.edge_width;
    x.insert(x.end(), row, row + spec.edge_width);
    if (spec.edge_types > 0)
      type.push_back(whole.edge_type[static_cast<std::size_t>(id)]);
  }
  chunk.edge_width = spec.edge_width;
  chunk.edge_x = std::move(x);
  chunk.typed_edges = spec.edge_types > 0;
  chunk.edge_type = std::move(type);
}

NodeFeatures make_features(const SampleSpec& spec, std::size_t nodes, RandomStream& random) {
  NodeFeatures features;
  features.kind = spec.sparse ? FeatureKind::kSparse : FeatureKind::kDense;
  features.width = spec.width;
  if (!spec.sparse) {
    std::vector<float> x(nodes * static_cast<std::size_t>(spec.width));
    for (float& value : x) value = static_cast<float>(random.next_normal());
    features.x = std::move(x);
    return features;
  }
  std::vector<std::int64_t> indptr = {0};
  std::vector<std::int32_t> index;
  std::vector<float> value;
  for (std::size_t row = 0; row < nodes; ++row) {
    for (std::int32_t column = 0; column < spec.width; ++column) {
      if (random.next_below(3) != 0)
        continue;
      index.push_back(column);
      value.push_back(static_cast<float>(random.next_double()));
    }
    indptr.push_back(static_cast<std::int64_t>(index.size()));
  }
  features.x_indptr = std::move(indptr);
  features.x_index = std::move(index);
  features.x_value = std::move(value);
  return features;
}

NodeTarget make_target(const SampleSpec& spec,
                       const WholeGraph& whole,
                       const std::vector<std::int32_t>& owned,
                       RandomStream& random) {
  NodeTarget target;
  target.splittings = spec.splittings;
  std::vector<std::int64_t> value;
  std::vector<std::uint8_t> split;
  for (const std::int32_t node : owned) {
    value.push_back(whole.label[static_cast<std::size_t>(node)]);
    for (std::int64_t s = 0; s < spec.splittings; ++s)
      split.push_back(value.back() < 0 ? 0 : static_cast<std::uint8_t>(random.next_below(4)));
  }
  target.value = std::move(value);
  target.split = std::move(split);
  return target;
}

OriginalIds make_ids(const SampleSpec& spec, const std::vector<std::int32_t>& nodes) {
  OriginalIds ids;
  std::vector<std::int64_t> integer;
  std::vector<std::uint8_t> bytes;
  std::vector<std::int64_t> offset = {0};
  for (const std::int32_t node : nodes) {
    integer.push_back(1000 + 7 * std::int64_t{node});
    const std::string text = node % 5 == 0 ? "" : "n\u00f6de-" + std::to_string(node);
    bytes.insert(bytes.end(), text.begin(), text.end());
    offset.push_back(static_cast<std::int64_t>(bytes.size()));
  }
  if (spec.ids == "integer")
    ids.integer = std::move(integer);
  if (spec.ids == "text") {
    ids.text_bytes = std::move(bytes);
    ids.text_offset = std::move(offset);
  }
  return ids;
}

GraphChunk make_chunk(const SampleSpec& spec,
                      const WholeGraph& whole,
                      std::int64_t number,
                      RandomStream& random) {
  std::vector<std::int32_t> owned;
  for (std::size_t node = 0; node < whole.owner.size(); ++node)
    if (whole.owner[node] == number)
      owned.push_back(static_cast<std::int32_t>(node));
  GraphChunk chunk;
  chunk.chunk = number;
  chunk.num_owned = static_cast<std::int64_t>(owned.size());
  chunk.hops = spec.halo == "none" ? 0 : spec.halo == "one_hop" ? 1 : spec.hops;
  Rings rings = collect_rings(whole.graph.view(), owned, {}, static_cast<int>(chunk.hops));
  const auto nodes = static_cast<std::int64_t>(rings.nodes.size());
  const std::int64_t rows =
      spec.halo == "exact" ? rings.ring_ptr[static_cast<std::size_t>(chunk.hops)] : nodes;
  chunk.graph = induce_rows(whole.graph.view(), rings.nodes, rows);
  select_edges(spec, whole, chunk);
  chunk.global_id = std::vector<std::int64_t>(rings.nodes.begin(), rings.nodes.end());
  chunk.ring_ptr = rings.ring_ptr;
  std::vector<std::int32_t> owner_chunk;
  std::vector<std::int64_t> owner_row;
  for (std::size_t i = owned.size(); i < rings.nodes.size(); ++i) {
    owner_chunk.push_back(whole.owner[static_cast<std::size_t>(rings.nodes[i])]);
    owner_row.push_back(whole.owner_row[static_cast<std::size_t>(rings.nodes[i])]);
  }
  chunk.owner_chunk = std::move(owner_chunk);
  chunk.owner_row = std::move(owner_row);
  chunk.features = make_features(spec, rings.nodes.size(), random);
  if (spec.classes > 0)
    chunk.targets.push_back(make_target(spec, whole, owned, random));
  chunk.original = make_ids(spec, rings.nodes);
  return chunk;
}

void describe(const SampleSpec& spec, const WholeGraph& whole, Manifest& manifest) {
  manifest.nodes = spec.nodes;
  manifest.edges = static_cast<std::int64_t>(whole.graph.src.size());
  manifest.directed = true;
  manifest.self_loops = "keep";
  manifest.feature_kind = spec.sparse ? "sparse" : "dense";
  manifest.feature_width = spec.width;
  manifest.edge_features.width = spec.edge_width;
  for (std::int64_t t = 0; t < spec.edge_types; ++t) {
    manifest.edge_types.names.push_back("type " + std::to_string(t));
    manifest.edge_types.counts.push_back(
        std::count(whole.edge_type.begin(), whole.edge_type.end(), t));
  }
  manifest.version_minor = manifest.has_edge_attributes() ? 1 : 0;
  manifest.halo_mode = spec.halo;
  manifest.halo_hops = spec.halo == "none" ? 0 : spec.halo == "one_hop" ? 1 : spec.hops;
  manifest.partition_method = "random";
  manifest.partition_seed = spec.seed;
  manifest.original_ids = spec.ids;
  manifest.source = nlohmann::ordered_json::array({{{"file", "none"}, {"bytes", 0}}});
  manifest.preprocess = nlohmann::ordered_json::object();
  for (std::int64_t row = 0; row < spec.nodes; ++row)
    for (std::int64_t e = whole.graph.indptr[static_cast<std::size_t>(row)];
         e < whole.graph.indptr[static_cast<std::size_t>(row) + 1];
         ++e)
      manifest.edge_cut +=
          whole.owner[static_cast<std::size_t>(row)] !=
          whole.owner[static_cast<std::size_t>(whole.graph.src[static_cast<std::size_t>(e)])];
  if (spec.classes == 0)
    return;
  ManifestTarget& target = manifest.targets["label"];
  for (std::int64_t c = 0; c < spec.classes; ++c)
    target.classes.push_back("class " + std::to_string(c));
  for (const char* split : {"train", "val", "test"})
    target.counts[split].resize(static_cast<std::size_t>(spec.classes));
}

}  // namespace

Sample write_sample_dataset(const std::string& folder, const SampleSpec& spec) {
  RandomStream random(make_random_key(spec.seed, RandomPurpose::kSplit, "sample dataset"));
  const WholeGraph whole = make_graph(spec, random);
  Sample sample;
  describe(spec, whole, sample.manifest);
  std::int64_t nodes = 0;
  for (std::int64_t c = 0; c < spec.chunks; ++c) {
    sample.chunks.push_back(make_chunk(spec, whole, c, random));
    nodes += sample.chunks.back().num_nodes();
    sample.manifest.chunks.push_back(
        write_chunk_file(folder, sample.chunks.back(), sample.manifest.targets));
    for (const auto& [name, splits] : sample.manifest.chunks.back().class_counts)
      for (const auto& [split, counts] : splits)
        for (std::size_t k = 0; k < counts.size(); ++k)
          sample.manifest.targets[name].counts[split][k] += counts[k];
  }
  if (spec.nodes > 0)
    sample.manifest.replication = static_cast<double>(nodes) / static_cast<double>(spec.nodes);
  write_manifest(folder, sample.manifest);
  return sample;
}

}  // namespace regatta::test
