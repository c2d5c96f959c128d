// A dataset's report for people: aligned columns, one topic a line.
#include "data/dataset_report.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace regatta {
namespace {

constexpr std::size_t kChunksShown = 32;
constexpr std::size_t kTypesShown = 32;

class TextReport {
 public:
  TextReport(const DatasetReport& report, const Dataset& dataset)
      : report_(report), dataset_(dataset), manifest_(dataset.manifest()) {}

  std::string run() {
    overview();
    features();
    edge_attributes();
    for (const auto& [name, target] : manifest_.targets) this->target(name, target);
    chunks();
    degrees();
    sources();
    text_.pop_back();
    return std::move(text_);
  }

 private:
  template <class... Args>
  void line(const char* topic, fmt::format_string<Args...> format, Args&&... args) {
    text_ +=
        fmt::format("{:<10} ", topic) + fmt::format(format, std::forward<Args>(args)...) + "\n";
  }

  static double percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

  void overview() {
    line("dataset",
         "{} (format {}.{}, digest {})",
         dataset_.folder(),
         manifest_.version_major,
         manifest_.version_minor,
         dataset_digest(manifest_));
    line("graph",
         "{} nodes, {} edges ({}, self loops: {})",
         manifest_.nodes,
         manifest_.edges,
         manifest_.directed ? "directed" : "undirected, both directions counted",
         manifest_.self_loops);
    line("chunks",
         "{}, {} bytes in all; original ids: {}",
         manifest_.chunks.size(),
         report_.bytes,
         manifest_.original_ids);
    line("partition",
         "{}, seed {}: edge cut {} ({:.1f} %), replication {:.3f}",
         manifest_.partition_method,
         manifest_.partition_seed,
         manifest_.edge_cut,
         percent(static_cast<double>(manifest_.edge_cut), static_cast<double>(manifest_.edges)),
         manifest_.replication);
    balance("owned", report_.owned);
    balance("nodes", report_.chunk_nodes);
    balance("edges", report_.chunk_edges);
    halo();
  }

  void balance(const char* what, const Balance& balance) {
    line("balance",
         "{}: {} at most, {:.1f} on average, ratio {:.3f}",
         what,
         balance.max,
         balance.mean,
         balance.ratio());
  }

  void halo() {
    if (manifest_.halo_mode == "exact")
      line("halo",
           "exact, {} hops: the whole receptive field of up to {} layers",
           manifest_.halo_hops,
           manifest_.halo_hops);
    else if (manifest_.halo_mode == "one_hop")
      line("halo",
           "one_hop (approximate): one layer sees all edges, two layers {:.1f} % of their walks",
           100 * report_.two_hop_kept);
    else
      line("halo",
           "none (approximate): one layer sees {:.1f} % of the edges",
           100 * report_.one_hop_kept);
  }

  void features() {
    line("features",
         "{}, {} columns, {}; normalise {}, fill {}",
         manifest_.feature_kind,
         manifest_.feature_width,
         manifest_.feature_dtype,
         manifest_.fit.normalise,
         manifest_.fit.fill);
  }

  void edge_attributes() {
    if (const ManifestEdgeFeatures& edges = manifest_.edge_features; edges.width > 0)
      line("edges",
           "{} feature columns, float32; normalise {}, fill {}",
           edges.width,
           edges.fit.normalise,
           edges.fit.fill);
    const ManifestEdgeTypes& types = manifest_.edge_types;
    if (types.names.empty())
      return;
    line("edges", "{} types", types.names.size());
    const std::size_t shown = std::min(types.names.size(), kTypesShown);
    for (std::size_t t = 0; t < shown; ++t)
      line("", "{:>12}: {:>10} edges", types.names[t], types.counts[t]);
    if (shown < types.names.size())
      line("", "... and {} more (--json lists all)", types.names.size() - shown);
  }

  void target(const std::string& name, const ManifestTarget& target) {
    line("target", "{}: {} {}, {} classes", name, target.level, target.kind, target.classes.size());
    std::size_t width = 5;
    for (const std::string& name_of_class : target.classes)
      width = std::max(width, name_of_class.size());
    line("", "{:<{}}  {:>9}  {:>9}  {:>9}", "class", width, "train", "val", "test");
    const auto& counts = target.counts;
    for (std::size_t c = 0; c < target.classes.size(); ++c)
      line("",
           "{:<{}}  {:>9}  {:>9}  {:>9}",
           target.classes[c],
           width,
           counts.at("train")[c],
           counts.at("val")[c],
           counts.at("test")[c]);
  }

  void chunks() {
    line("chunk",
         "{:>10}  {:>10}  {:>10}  {:>12}  {:>14}",
         "owned",
         "rows",
         "nodes",
         "edges",
         "bytes");
    const std::size_t shown = std::min(manifest_.chunks.size(), kChunksShown);
    for (std::size_t i = 0; i < shown; ++i) {
      const ManifestChunk& chunk = manifest_.chunks[i];
      text_ += fmt::format("{:>10} {:>10}  {:>10}  {:>10}  {:>12}  {:>14}\n",
                           i,
                           chunk.owned,
                           chunk.rows,
                           chunk.nodes,
                           chunk.edges,
                           chunk.bytes);
    }
    if (shown < manifest_.chunks.size())
      line("", "... and {} more (--json lists all)", manifest_.chunks.size() - shown);
  }

  void degrees() {
    line("in-degree", "of owned nodes, at most {}", report_.degree_max);
    for (std::size_t i = 0; i < report_.degree_histogram.size(); ++i) {
      const std::int64_t nodes = report_.degree_histogram[i];
      if (nodes == 0)
        continue;
      const std::uint64_t from = i == 0 ? 0 : std::uint64_t{1} << (i - 1);
      const std::string range =
          i <= 1 ? fmt::format("{}", from) : fmt::format("{}-{}", from, 2 * from - 1);
      line("",
           "{:>12}: {:>10} nodes ({:.1f} %)",
           range,
           nodes,
           percent(static_cast<double>(nodes), static_cast<double>(manifest_.nodes)));
    }
  }

  void sources() {
    const auto& source = manifest_.source;
    if (source.is_array() || source.is_object())
      for (const auto& [key, entry] : source.items())
        line("source", "{}", source.is_array() ? entry.dump() : key + ": " + entry.dump());
  }

  const DatasetReport& report_;
  const Dataset& dataset_;
  const Manifest& manifest_;
  std::string text_;
};

}  // namespace

std::string report_to_text(const DatasetReport& report, const Dataset& dataset) {
  return TextReport(report, dataset).run();
}

}  // namespace regatta
