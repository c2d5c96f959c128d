// Checks of a parsed manifest against itself.
#include "data/manifest_check.h"

#include "data/chunk_format.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

namespace regatta {
namespace {

constexpr std::int64_t kMaxLocalNodes = chunk_format::kMaxNodes;
constexpr std::int64_t kMaxHops = chunk_format::kMaxHops;
constexpr double kReplicationTolerance = 1e-6;
constexpr const char* kSplits[] = {"train", "val", "test"};

template <class A, class B>
void expect_equal(const JsonReader& at, const A& found, const B& expected, const char* because) {
  if (found != expected)
    at.refuse(fmt::format("{}", found), fmt::format("{} ({})", expected, because));
}

/// Adds without overflow: sums of hostile counts stay at the largest value, which then agrees with
/// nothing.
std::int64_t add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/// Names and constants of the columns of nodes' or edges' features.
void check_columns(std::int64_t columns,
                   const std::vector<std::string>& names,
                   const FeatureFit& fit,
                   const JsonReader& features) {
  const auto width = static_cast<std::size_t>(columns);
  if (columns > kMaxLocalNodes)
    features.at("width").refuse(fmt::format("{}", columns), "less than 2^31");
  const auto per_column = [&](const char* key, std::size_t size) {
    if (size != 0 && size != width)
      features.at(key).refuse(fmt::format("{} values", size),
                              fmt::format("none, or one for each of the {} columns", width));
  };
  per_column("names", names.size());
  per_column("fill_values", fit.fill_values.size());
  per_column("offset", fit.offset.size());
  per_column("scale", fit.scale.size());
  const bool scales = fit.normalise == "standardise" || fit.normalise == "min_max";
  if (scales && width > 0 && (fit.offset.empty() || fit.scale.empty()))
    features.at("normalise")
        .refuse("'" + fit.normalise + "' without offset and scale", "both, one value a column");
}

void check_edge_attributes(const Manifest& manifest, const JsonReader& root) {
  if (manifest.version_minor < kEdgeAttributesMinor)
    return;
  if (root.has("edge_features")) {
    const ManifestEdgeFeatures& edges = manifest.edge_features;
    const JsonReader features = root.at("edge_features");
    if (edges.width < 1)
      features.at("width").refuse("0", "1 or more, or no key edge_features");
    check_columns(edges.width, edges.names, edges.fit, features);
  }
  if (!root.has("edge_types"))
    return;
  const ManifestEdgeTypes& types = manifest.edge_types;
  const JsonReader at = root.at("edge_types");
  if (types.names.empty() || types.names.size() > chunk_format::kMaxEdgeTypes)
    at.at("names").refuse(
        fmt::format("{} types", types.names.size()),
        fmt::format("1 to {}, or no key edge_types", chunk_format::kMaxEdgeTypes));
  const std::set<std::string> distinct(types.names.begin(), types.names.end());
  expect_equal(at.at("names"), types.names.size(), distinct.size(), "names must differ");
  expect_equal(at.at("counts"), types.counts.size(), types.names.size(), "one count a type");
  std::int64_t sum = 0;
  for (const std::int64_t count : types.counts) sum = add(sum, count);
  expect_equal(at.at("counts"), sum, manifest.edges, "their sum is graph.edges");
}

void check_halo(const Manifest& manifest, const JsonReader& halo) {
  const std::int64_t hops = manifest.halo_hops;
  const bool fits = manifest.halo_mode == "none"      ? hops == 0
                    : manifest.halo_mode == "one_hop" ? hops == 1
                                                      : hops >= 1 && hops <= kMaxHops;
  if (!fits)
    halo.at("hops").refuse(fmt::format("{} for mode '{}'", hops, manifest.halo_mode),
                           "0 for none, 1 for one_hop, 1 to 64 for exact");
}

void check_targets(const Manifest& manifest, const JsonReader& root) {
  for (const auto& [name, target] : manifest.targets) {
    const JsonReader at = root.at("targets").at(name);
    if (name.empty() || name.find('/') != std::string::npos || name == "." || name == "..")
      at.refuse("the name '" + name + "'", "a name without '/'");
    if (target.classes.empty())
      at.at("classes").refuse("no class", "at least one");
    const std::set<std::string> distinct(target.classes.begin(), target.classes.end());
    expect_equal(at.at("classes"), target.classes.size(), distinct.size(), "names must differ");
    for (const char* split : kSplits) {
      const auto& counts = target.counts.at(split);
      expect_equal(
          at.at("counts").at(split), counts.size(), target.classes.size(), "one count a class");
      std::vector<std::int64_t> sum(counts.size());
      for (std::size_t i = 0; i < manifest.chunks.size(); ++i) {
        const auto& share = manifest.chunks[i].class_counts.at(name).at(split);
        if (share.size() != counts.size())
          root.at("chunks")
              .items()[i]
              .at("class_counts")
              .at(name)
              .at(split)
              .refuse(fmt::format("{} counts", share.size()),
                      fmt::format("{}, one a class", counts.size()));
        for (std::size_t c = 0; c < counts.size(); ++c) sum[c] = add(sum[c], share[c]);
      }
      for (std::size_t c = 0; c < counts.size(); ++c)
        expect_equal(at.at("counts").at(split), counts[c], sum[c], "the sum over chunks");
    }
  }
}

void check_file_name(const std::string& name, const JsonReader& at) {
  const auto refuse = [&](const char* why) {
    at.refuse(fmt::format("'{}' ({})", name, why), "a plain file name inside the dataset's folder");
  };
  if (name.empty() || name == ".")
    refuse("no name");
  if (name.front() == '/')
    refuse("an absolute path");
  if (name.find("..") != std::string::npos)
    refuse("it contains '..'");
  if (name.find('/') != std::string::npos)
    refuse("it contains '/'");
  if (name.find('\0') != std::string::npos)
    refuse("it contains a zero byte");
}

void check_chunk_sizes(const Manifest& manifest, const ManifestChunk& chunk, const JsonReader& at) {
  if (chunk.nodes > kMaxLocalNodes)
    at.at("nodes").refuse(fmt::format("{}", chunk.nodes), "less than 2^31; make more chunks");
  if (chunk.rows > chunk.nodes)
    at.at("rows").refuse(fmt::format("{}", chunk.rows),
                         fmt::format("at most nodes, {}", chunk.nodes));
  if (chunk.owned > chunk.rows)
    at.at("owned").refuse(fmt::format("{}", chunk.owned),
                          fmt::format("at most rows, {}", chunk.rows));
  expect_equal(at.at("graphs"), chunk.graphs, 0, "collections of graphs are reserved");
  if (manifest.halo_mode == "none")
    expect_equal(at.at("nodes"), chunk.nodes, chunk.owned, "halo.mode none has owned nodes only");
  if (manifest.halo_mode == "one_hop")
    expect_equal(
        at.at("rows"), chunk.rows, chunk.nodes, "halo.mode one_hop has a row for each node");
  for (const auto& [name, splits] : chunk.class_counts) {
    std::int64_t labelled = 0;
    for (const auto& [split, counts] : splits)
      for (const std::int64_t count : counts) labelled = add(labelled, count);
    if (labelled > chunk.owned)
      at.at("class_counts")
          .at(name)
          .refuse(fmt::format("{} labels", labelled),
                  fmt::format("at most one an owned node, {}", chunk.owned));
  }
}

void check_totals(const Manifest& manifest, const JsonReader& root) {
  ManifestChunk sum;
  std::int64_t bytes = 0;
  for (const ManifestChunk& chunk : manifest.chunks) {
    bytes = add(bytes, static_cast<std::int64_t>(chunk.bytes));
    sum.owned = add(sum.owned, chunk.owned);
    sum.rows = add(sum.rows, chunk.rows);
    sum.nodes = add(sum.nodes, chunk.nodes);
    sum.edges = add(sum.edges, chunk.edges);
    sum.graphs = add(sum.graphs, chunk.graphs);
  }
  const JsonReader totals = root.at("totals");
  const char* why = "the sum over chunks";
  expect_equal(totals.at("bytes"), totals.at("bytes").count(), bytes, why);
  expect_equal(totals.at("owned"), totals.at("owned").count(), sum.owned, why);
  expect_equal(totals.at("rows"), totals.at("rows").count(), sum.rows, why);
  expect_equal(totals.at("nodes"), totals.at("nodes").count(), sum.nodes, why);
  expect_equal(totals.at("edges"), totals.at("edges").count(), sum.edges, why);
  expect_equal(totals.at("graphs"), totals.at("graphs").count(), sum.graphs, why);
  expect_equal(root.at("graph").at("nodes"),
               manifest.nodes,
               sum.owned,
               "each node is owned by exactly one chunk");
  const double replication =
      manifest.nodes == 0 ? 1
                          : static_cast<double>(sum.nodes) / static_cast<double>(manifest.nodes);
  if (std::abs(manifest.replication - replication) > kReplicationTolerance * replication)
    root.at("partition")
        .at("replication")
        .refuse(fmt::format("{}", manifest.replication),
                fmt::format("{} (chunk nodes / nodes)", replication));
  if (manifest.edge_cut > manifest.edges)
    root.at("partition")
        .at("edge_cut")
        .refuse(fmt::format("{}", manifest.edge_cut), fmt::format("at most {}", manifest.edges));
}

}  // namespace

void check_manifest(const Manifest& manifest, const JsonReader& root) {
  check_columns(manifest.feature_width, manifest.feature_names, manifest.fit, root.at("features"));
  check_edge_attributes(manifest, root);
  check_halo(manifest, root.at("halo"));
  const auto entries = root.at("chunks").items();
  if (entries.empty())
    root.at("chunks").refuse("no chunk", "at least one");
  std::set<std::string> files;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const ManifestChunk& chunk = manifest.chunks[i];
    check_file_name(chunk.file, entries[i].at("file"));
    if (!files.insert(chunk.file).second)
      entries[i].at("file").refuse("'" + chunk.file + "' again", "each file once");
    check_chunk_sizes(manifest, chunk, entries[i]);
  }
  check_targets(manifest, root);
  check_totals(manifest, root);
}

}  // namespace regatta
