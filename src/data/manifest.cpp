// Reads and writes manifest.json; manifest_check.cpp holds what must agree inside one.
#include "data/manifest.h"

#include "core/crc32c.h"
#include "core/error.h"
#include "core/file.h"
#include "data/json_reader.h"
#include "data/manifest_check.h"

#include <fmt/format.h>

#include <filesystem>

namespace regatta {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::uint64_t kManifestLimit = std::uint64_t{1} << 30;

void read_version(const JsonReader& root, Manifest& manifest) {
  if (const std::string format = root.at("format").text(); format != "regatta-dataset")
    root.at("format").refuse("'" + format + "'", "'regatta-dataset'");
  const auto version = root.at("version").counts();
  if (version.size() != 2)
    root.at("version").refuse("another list", "[major, minor]");
  if (version[0] > kFormatMajor)
    root.at("version").refuse(
        fmt::format(
            "version {}.{}: this dataset was made by a newer Regatta", version[0], version[1]),
        fmt::format("at most {}.x; update Regatta or preprocess again", kFormatMajor));
  if (version[0] != kFormatMajor)
    root.at("version").refuse(fmt::format("{}", version[0]), fmt::format("{}", kFormatMajor));
  manifest.version_major = static_cast<int>(version[0]);
  manifest.version_minor = static_cast<int>(std::min<std::int64_t>(version[1], 1 << 20));
}

FeatureFit read_fit(const JsonReader& features) {
  FeatureFit fit;
  fit.normalise =
      features.at("normalise").one_of({"none", "row_l1", "row_l2", "standardise", "min_max"});
  fit.fill = features.at("fill").one_of({"error", "zero", "mean", "median", "constant"});
  fit.fill_constant = features.at("fill_constant").number();
  fit.fill_values = features.at("fill_values").numbers();
  fit.offset = features.at("offset").numbers();
  fit.scale = features.at("scale").numbers();
  return fit;
}

void read_features(const JsonReader& features, Manifest& manifest) {
  manifest.feature_kind = features.at("kind").one_of({"dense", "sparse"});
  manifest.feature_width = features.at("width").count();
  manifest.feature_dtype = features.at("dtype").one_of({"float32", "float16", "bfloat16"});
  manifest.feature_names = features.at("names").texts();
  manifest.fit = read_fit(features);
}

/// Version 1.0 has no such keys, and ignores them like any other.
void read_edge_attributes(const JsonReader& root, Manifest& manifest) {
  if (manifest.version_minor < kEdgeAttributesMinor)
    return;
  if (root.has("edge_features")) {
    const JsonReader features = root.at("edge_features");
    manifest.edge_features.width = features.at("width").count();
    manifest.edge_features.names = features.at("names").texts();
    manifest.edge_features.fit = read_fit(features);
  }
  if (root.has("edge_types")) {
    manifest.edge_types.names = root.at("edge_types").at("names").texts();
    manifest.edge_types.counts = root.at("edge_types").at("counts").counts();
  }
}

ManifestTarget read_target(const JsonReader& node) {
  ManifestTarget target;
  target.level = node.at("level").one_of({"node"});
  target.kind = node.at("kind").one_of({"class"});
  target.classes = node.at("classes").texts();
  for (const char* split : {"train", "val", "test"})
    target.counts[split] = node.at("counts").at(split).counts();
  return target;
}

ManifestChunk read_chunk_entry(const JsonReader& node, const Manifest& manifest) {
  ManifestChunk chunk;
  chunk.file = node.at("file").text();
  chunk.bytes = static_cast<std::uint64_t>(node.at("bytes").count());
  chunk.crc32c = node.at("crc32c").hexadecimal();
  chunk.owned = node.at("owned").count();
  chunk.rows = node.at("rows").count();
  chunk.nodes = node.at("nodes").count();
  chunk.edges = node.at("edges").count();
  chunk.graphs = node.at("graphs").count();
  const JsonReader counts = node.at("class_counts");
  for (const auto& [name, target] : manifest.targets)
    for (const char* split : {"train", "val", "test"})
      chunk.class_counts[name][split] = counts.at(name).at(split).counts();
  return chunk;
}

void read_partition(const JsonReader& root, Manifest& manifest) {
  manifest.halo_mode = root.at("halo").at("mode").one_of({"exact", "one_hop", "none"});
  manifest.halo_hops = root.at("halo").at("hops").count();
  const JsonReader partition = root.at("partition");
  manifest.partition_method = partition.at("method").text();
  manifest.partition_seed = partition.at("seed").unsigned_integer();
  manifest.edge_cut = partition.at("edge_cut").count();
  manifest.replication = partition.at("replication").number();
}

Json chunk_to_json(const ManifestChunk& chunk) {
  Json json = {{"file", chunk.file},
               {"bytes", chunk.bytes},
               {"crc32c", crc32c_text(chunk.crc32c)},
               {"owned", chunk.owned},
               {"rows", chunk.rows},
               {"nodes", chunk.nodes},
               {"edges", chunk.edges},
               {"graphs", chunk.graphs}};
  json["class_counts"] = Json::object();
  for (const auto& [name, splits] : chunk.class_counts)
    for (const auto& [split, counts] : splits) json["class_counts"][name][split] = counts;
  return json;
}

void add_fit(const FeatureFit& fit, Json& json) {
  json["normalise"] = fit.normalise;
  json["fill"] = fit.fill;
  json["fill_constant"] = fit.fill_constant;
  json["fill_values"] = fit.fill_values;
  json["offset"] = fit.offset;
  json["scale"] = fit.scale;
}

Json features_to_json(const Manifest& manifest) {
  Json json = {{"kind", manifest.feature_kind},
               {"width", manifest.feature_width},
               {"dtype", manifest.feature_dtype},
               {"names", manifest.feature_names}};
  add_fit(manifest.fit, json);
  return json;
}

void add_edge_attributes(const Manifest& manifest, Json& json) {
  if (const ManifestEdgeFeatures& features = manifest.edge_features; features.width > 0) {
    json["edge_features"] = {{"width", features.width}, {"names", features.names}};
    add_fit(features.fit, json["edge_features"]);
  }
  if (const ManifestEdgeTypes& types = manifest.edge_types; !types.names.empty())
    json["edge_types"] = {{"names", types.names}, {"counts", types.counts}};
}

Json totals_to_json(const Manifest& manifest) {
  ManifestChunk sum;
  for (const ManifestChunk& chunk : manifest.chunks) {
    sum.bytes += chunk.bytes;
    sum.owned += chunk.owned;
    sum.rows += chunk.rows;
    sum.nodes += chunk.nodes;
    sum.edges += chunk.edges;
    sum.graphs += chunk.graphs;
  }
  return {{"bytes", sum.bytes},
          {"owned", sum.owned},
          {"rows", sum.rows},
          {"nodes", sum.nodes},
          {"edges", sum.edges},
          {"graphs", sum.graphs}};
}

/// What the training result depends on; the rest of the manifest tells how it came about.
Json content_to_json(const Manifest& manifest) {
  Json json;
  json["format"] = "regatta-dataset";
  json["version"] = {manifest.version_major, manifest.version_minor};
  json["layout"] = manifest.layout;
  json["graph"] = {{"nodes", manifest.nodes},
                   {"edges", manifest.edges},
                   {"directed", manifest.directed},
                   {"self_loops", manifest.self_loops}};
  json["features"] = features_to_json(manifest);
  add_edge_attributes(manifest, json);
  json["targets"] = Json::object();
  for (const auto& [name, target] : manifest.targets)
    json["targets"][name] = {{"level", target.level},
                             {"kind", target.kind},
                             {"classes", target.classes},
                             {"counts", target.counts}};
  json["ids"] = manifest.original_ids;
  json["halo"] = {{"mode", manifest.halo_mode}, {"hops", manifest.halo_hops}};
  json["partition"] = {{"method", manifest.partition_method},
                       {"seed", manifest.partition_seed},
                       {"edge_cut", manifest.edge_cut},
                       {"replication", manifest.replication}};
  json["chunks"] = Json::array();
  for (const ManifestChunk& chunk : manifest.chunks) json["chunks"].push_back(chunk_to_json(chunk));
  return json;
}

}  // namespace

std::int64_t Manifest::owned_total() const {
  std::int64_t total = 0;
  for (const ManifestChunk& chunk : chunks) total += chunk.owned;
  return total;
}

Manifest manifest_from_json(const Json& json, const std::string& where) {
  const JsonReader root(json, where);
  Manifest manifest;
  read_version(root, manifest);
  manifest.layout = root.at("layout").one_of({"homogeneous"});
  const JsonReader graph = root.at("graph");
  manifest.nodes = graph.at("nodes").count();
  manifest.edges = graph.at("edges").count();
  manifest.directed = graph.at("directed").boolean();
  manifest.self_loops = graph.at("self_loops").one_of({"add", "drop", "keep"});
  read_features(root.at("features"), manifest);
  read_edge_attributes(root, manifest);
  for (const auto& [name, node] : root.at("targets").members())
    manifest.targets[name] = read_target(node);
  manifest.original_ids = root.at("ids").one_of({"none", "integer", "text"});
  read_partition(root, manifest);
  for (const JsonReader& node : root.at("chunks").items())
    manifest.chunks.push_back(read_chunk_entry(node, manifest));
  manifest.source = root.at("source").json();
  manifest.preprocess = root.at("preprocess").json();
  check_manifest(manifest, root);
  return manifest;
}

Json manifest_to_json(const Manifest& manifest) {
  Json json = content_to_json(manifest);
  json["totals"] = totals_to_json(manifest);
  json["source"] = manifest.source;
  json["preprocess"] = manifest.preprocess;
  return json;
}

Manifest read_manifest(const std::string& folder) {
  const std::string path = folder + "/manifest.json";
  if (std::error_code status; !std::filesystem::exists(path, status))
    fail(ExitCode::kData,
         "{}: not a dataset: there is no manifest.json; run `regatta preprocess` to make one",
         folder);
  return manifest_from_json(parse_json(read_file(path, kManifestLimit), path), path);
}

void write_manifest(const std::string& folder, const Manifest& manifest) {
  replace_file(folder + "/manifest.json", manifest_to_json(manifest).dump(1) + "\n");
}

std::string dataset_digest(const Manifest& manifest) {
  const std::string content = content_to_json(manifest).dump();
  return crc32c_text(crc32c(content.data(), content.size()));
}

}  // namespace regatta
