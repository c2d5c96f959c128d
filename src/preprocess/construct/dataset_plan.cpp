#include "preprocess/construct/dataset_plan.h"

#include "core/crc32c.h"
#include "core/error.h"
#include "core/log.h"
#include "preprocess/clean/node_set.h"
#include "preprocess/construct/chunk_builder.h"
#include "preprocess/featurise/edge_attributes.h"
#include "preprocess/featurise/features.h"
#include "preprocess/featurise/targets.h"
#include "preprocess/sources/raw_tables.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <utility>

namespace regatta {
namespace {

std::unique_ptr<Manifest> fitted_manifest(const FeatureOptions& options) {
  if (options.fit_from.empty())
    return nullptr;
  return std::make_unique<Manifest>(read_manifest(options.fit_from));
}

std::vector<std::string> fitted_classes(const Manifest* fitted) {
  if (fitted == nullptr)
    return {};
  const auto found = fitted->targets.find(kLabelTarget);
  return found == fitted->targets.end() ? std::vector<std::string>{} : found->second.classes;
}

template <class T>
std::vector<T> select(const std::vector<T>& all, const std::vector<std::int64_t>& rows) {
  std::vector<T> result;
  result.reserve(rows.size());
  for (const std::int64_t row : rows) result.push_back(all[row]);
  return result;
}

/// Takes nodes without a neighbour out of everything that is per node.
void drop_isolated(NodeSet& nodes, ListedEdges& edges, GraphData& data, CleanCounts& counts) {
  const auto before = static_cast<std::int64_t>(nodes.ids.size());
  const std::vector<std::int64_t> kept = connected_nodes(edges, before);
  if (kept.empty()) {
    fail(ExitCode::kData,
         "{}: no edge joins two nodes, so clean.isolated: drop leaves nothing",
         edges.path);
  }
  renumber_edges(edges, kept, before);
  nodes.ids = nodes.ids.select(kept);
  if (!nodes.table_row.empty())
    nodes.table_row = select(nodes.table_row, kept);
  data.label = select(data.label, kept);
  data.split = select(data.split, kept);
  counts.isolated_nodes = before - static_cast<std::int64_t>(kept.size());
}

void set_labels(const RawTables& tables,
                const NodeSet& nodes,
                const PreprocessOptions& options,
                const Manifest* fitted,
                DatasetPlan& plan) {
  NodeLabels labels = collect_labels(tables, nodes, fitted_classes(fitted), plan.report);
  const NodeIndex index(nodes.ids);
  plan.data.split = choose_splits(tables, index, labels, options.splits, plan.report);
  plan.data.has_target = labels.present;
  plan.data.classes = std::move(labels.classes);
  plan.data.label = std::move(labels.value);
}

void fill_data(const PreprocessOptions& options, DatasetPlan& plan) {
  const auto fitted = fitted_manifest(options.features);
  RawTables tables = read_raw_tables(options, plan.report);
  NodeSet nodes = choose_nodes(tables, options, plan.report);
  ListedEdges edges = resolve_edges(tables.edges, NodeIndex(nodes.ids), plan.report);
  set_labels(tables, nodes, options, fitted.get(), plan);
  GraphData& data = plan.data;
  if (options.clean.isolated == "drop")
    drop_isolated(nodes, edges, data, plan.counts);
  FeatureResult features =
      make_features(tables.nodes, nodes, data.split, options.features, fitted.get());
  data.features = std::move(features.features);
  data.feature_names = std::move(features.names);
  data.fit = std::move(features.fit);
  CleanedEdges cleaned =
      clean_edges(edges, static_cast<std::int64_t>(nodes.ids.size()), options.clean, plan.counts);
  data.edges = make_edge_attributes(std::move(tables.edges), cleaned, options, fitted.get());
  data.graph = std::move(cleaned.graph);
  data.ids = std::move(nodes.ids);
}

nlohmann::ordered_json source_files(const PreprocessOptions& options) {
  nlohmann::ordered_json files = nlohmann::ordered_json::array();
  const std::pair<const char*, const std::string*> paths[] = {{"edges", &options.edges.path},
                                                              {"nodes", &options.nodes.path},
                                                              {"labels", &options.labels.path},
                                                              {"splits", &options.splits.path}};
  for (const auto& [role, path] : paths) {
    if (path->empty())
      continue;
    std::uint64_t bytes = 0;
    const std::uint32_t crc = crc32c_of_file(*path, &bytes);
    files.push_back(
        {{"role", role}, {"path", *path}, {"bytes", bytes}, {"crc32c", crc32c_text(crc)}});
  }
  return {{"files", files}};
}

ManifestTarget describe_target(const GraphData& data) {
  ManifestTarget target;
  target.classes = data.classes;
  for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest}) {
    auto& counts = target.counts[split_name(split)];
    counts.assign(data.classes.size(), 0);
    for (std::size_t node = 0; node < data.split.size(); ++node) {
      if (data.split[node] == static_cast<std::uint8_t>(split))
        ++counts[data.label[node]];
    }
  }
  return target;
}

Manifest describe(const PreprocessOptions& options,
                  const GraphData& data,
                  const Partition& partition) {
  Manifest manifest;
  manifest.nodes = data.nodes();
  manifest.edges = data.graph.view().edges();
  manifest.directed = options.clean.direction != "undirected";
  manifest.self_loops = options.clean.self_loops;
  manifest.feature_kind = data.features.kind == FeatureKind::kSparse ? "sparse" : "dense";
  manifest.feature_width = data.features.width;
  manifest.feature_names = data.feature_names;
  manifest.fit = data.fit;
  manifest.edge_features = data.edges.features;
  manifest.edge_types = data.edges.types;
  manifest.version_minor = manifest.has_edge_attributes() ? kEdgeAttributesMinor : 0;
  if (data.has_target)
    manifest.targets.emplace(kLabelTarget, describe_target(data));
  manifest.halo_mode = options.halo.mode;
  manifest.halo_hops = halo_hops(options.halo);
  manifest.partition_method = options.partition.method;
  manifest.partition_seed = static_cast<std::uint64_t>(options.partition.seed);
  manifest.edge_cut = edge_cut(data.graph.view(), partition);
  manifest.original_ids = data.ids.is_text() ? "text" : "integer";
  manifest.source = source_files(options);
  PreprocessOptions effective = options;
  OptionGroup group;
  effective.declare(group);
  manifest.preprocess = group.values();
  return manifest;
}

template <class T>
std::uint32_t digest(std::span<const T> values, std::uint32_t previous) {
  return crc32c(values.data(), values.size_bytes(), previous);
}

}  // namespace

DatasetPlan plan_dataset(const PreprocessOptions& options) {
  DatasetPlan plan;
  plan.report = RowReport(options.clean.bad_rows, options.clean.unknown_nodes);
  check_edge_options(options);
  fill_data(options, plan);
  plan.order = renumber_data(plan.data, options.order);
  const PartitionOptions& partition = options.partition;
  plan.partition = partition_graph(
      plan.data.graph.view(),
      {partition.method, partition.chunks, static_cast<std::uint64_t>(partition.seed)});
  plan.manifest = describe(options, plan.data, plan.partition);
  if (options.order != "none")
    plan.manifest.source["order"] = describe_order(plan.order);
  return plan;
}

std::uint32_t plan_digest(const DatasetPlan& plan) {
  const GraphData& data = plan.data;
  std::uint32_t crc = digest(data.graph.indptr.span(), 0);
  crc = digest(data.graph.src.span(), crc);
  crc = digest(std::span<const float>(data.edges.x), crc);
  crc = digest(std::span<const std::uint16_t>(data.edges.type), crc);
  crc = digest(data.features.x.span(), crc);
  crc = digest(data.features.x_indptr.span(), crc);
  crc = digest(data.features.x_index.span(), crc);
  crc = digest(data.features.x_value.span(), crc);
  crc = digest(std::span<const std::int64_t>(data.label), crc);
  crc = digest(std::span<const std::uint8_t>(data.split), crc);
  crc = digest(std::span<const std::int32_t>(plan.partition.owner), crc);
  const std::string manifest = manifest_to_json(plan.manifest).dump();
  return crc32c(manifest.data(), manifest.size(), crc);
}

void log_plan(const DatasetPlan& plan) {
  const Manifest& manifest = plan.manifest;
  const CleanCounts& counts = plan.counts;
  log::info(
      "{} nodes, {} edges from {} rows: {} duplicates and {} listed self loops met, {} self loops "
      "added",
      manifest.nodes,
      manifest.edges,
      counts.listed,
      counts.duplicates,
      counts.self_loops,
      counts.added_self_loops);
  if (counts.isolated_nodes > 0)
    log::info("{} isolated nodes dropped", counts.isolated_nodes);
  if (plan.report.bad_row_count() + plan.report.unknown_node_count() > 0) {
    log::warn("{} bad rows and {} rows with unknown nodes skipped",
              plan.report.bad_row_count(),
              plan.report.unknown_node_count());
  }
  log::info("{} {} features, normalise {}",
            manifest.feature_width,
            manifest.feature_kind,
            manifest.fit.normalise);
  if (manifest.edge_features.width > 0) {
    log::info("{} edge features, normalise {}",
              manifest.edge_features.width,
              manifest.edge_features.fit.normalise);
  }
  if (edge_type_count(manifest) > 0)
    log::info("{} edge types", edge_type_count(manifest));
  if (!plan.data.has_target) {
    log::info("no labels: a dataset to predict on");
  } else {
    const auto count = [&](Split split) {
      return std::count(
          plan.data.split.begin(), plan.data.split.end(), static_cast<std::uint8_t>(split));
    };
    log::info("{} classes; {} training, {} validation, {} test nodes",
              plan.data.classes.size(),
              count(Split::kTrain),
              count(Split::kValidation),
              count(Split::kTest));
  }
  log_order(plan.order);
  log::info("{} chunks by {}, {} edges cut ({:.1f} %)",
            plan.partition.chunks,
            manifest.partition_method,
            manifest.edge_cut,
            100.0 * static_cast<double>(manifest.edge_cut) /
                static_cast<double>(std::max<std::int64_t>(1, manifest.edges)));
}

}  // namespace regatta
