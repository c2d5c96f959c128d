// Gathers the numbers and prints them as JSON; dataset_report_text.cpp prints them for people.
#include "data/dataset_report.h"

#include "core/crc32c.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <vector>

namespace regatta {
namespace {

using Json = nlohmann::ordered_json;

Balance balance_of(const std::vector<ManifestChunk>& chunks, std::int64_t ManifestChunk::*field) {
  Balance result;
  for (const ManifestChunk& chunk : chunks) {
    result.max = std::max(result.max, chunk.*field);
    result.mean += static_cast<double>(chunk.*field) / static_cast<double>(chunks.size());
  }
  return result;
}

std::int64_t degree(const GraphChunk& chunk, std::int64_t row) {
  const auto at = static_cast<std::size_t>(row);
  return chunk.graph.indptr[at + 1] - chunk.graph.indptr[at];
}

void add_degrees(const GraphChunk& chunk, DatasetReport& report) {
  for (std::int64_t row = 0; row < chunk.num_owned; ++row) {
    const std::int64_t in = degree(chunk, row);
    ++report.degree_histogram[static_cast<std::size_t>(
        std::bit_width(static_cast<std::uint64_t>(in)))];
    report.degree_max = std::max(report.degree_max, in);
    report.owned_edges += in;
  }
}

/// Walks u -> v -> w with w owned: one_hop stores every u -> v for an owned v, but for a v in ring
/// 1 only those whose u is in the chunk too. The true in-degree of v is the one that its owner
/// stores.
double share_of_two_hop_walks(const Dataset& dataset) {
  std::vector<std::int32_t> true_degree(static_cast<std::size_t>(dataset.manifest().nodes));
  for (std::int64_t c = 0; c < dataset.num_chunks(); ++c) {
    const auto chunk = dataset.read_chunk(c);
    for (std::int64_t row = 0; row < chunk->num_owned; ++row)
      true_degree[static_cast<std::size_t>(chunk->global_id[static_cast<std::size_t>(row)])] =
          static_cast<std::int32_t>(degree(*chunk, row));
  }
  double kept = 0;
  double all = 0;
  for (std::int64_t c = 0; c < dataset.num_chunks(); ++c) {
    const auto chunk = dataset.read_chunk(c);
    const auto end =
        static_cast<std::size_t>(chunk->graph.indptr[static_cast<std::size_t>(chunk->num_owned)]);
    for (std::size_t e = 0; e < end; ++e) {
      const std::int32_t source = chunk->graph.src[e];
      kept += static_cast<double>(degree(*chunk, source));
      all +=
          true_degree[static_cast<std::size_t>(chunk->global_id[static_cast<std::size_t>(source)])];
    }
  }
  return all > 0 ? kept / all : 1;
}

Json balance_to_json(const Balance& balance) {
  return {{"max", balance.max}, {"mean", balance.mean}, {"ratio", balance.ratio()}};
}

Json histogram_to_json(const DatasetReport& report) {
  Json bins = Json::array();
  for (std::size_t i = 0; i < report.degree_histogram.size(); ++i) {
    if (report.degree_histogram[i] == 0)
      continue;
    const std::uint64_t from = i == 0 ? 0 : std::uint64_t{1} << (i - 1);
    bins.push_back(
        {{"from", from}, {"to", i == 0 ? 0 : 2 * from - 1}, {"nodes", report.degree_histogram[i]}});
  }
  return bins;
}

}  // namespace

DatasetReport inspect_dataset(const Dataset& dataset) {
  const Manifest& manifest = dataset.manifest();
  DatasetReport report;
  for (const ManifestChunk& chunk : manifest.chunks) {
    report.bytes += chunk.bytes;
    report.rows += chunk.rows;
    report.nodes += chunk.nodes;
    report.edges += chunk.edges;
  }
  report.owned = balance_of(manifest.chunks, &ManifestChunk::owned);
  report.chunk_nodes = balance_of(manifest.chunks, &ManifestChunk::nodes);
  report.chunk_edges = balance_of(manifest.chunks, &ManifestChunk::edges);
  for (std::int64_t c = 0; c < dataset.num_chunks(); ++c)
    add_degrees(*dataset.read_chunk(c), report);
  if (manifest.halo_mode == "none") {
    report.two_hop_known = false;
    report.one_hop_kept = manifest.edges == 0 ? 1
                                              : static_cast<double>(report.owned_edges) /
                                                    static_cast<double>(manifest.edges);
  } else if (manifest.halo_mode == "one_hop") {
    report.two_hop_kept = share_of_two_hop_walks(dataset);
  }
  return report;
}

Json report_to_json(const DatasetReport& report, const Dataset& dataset) {
  const Manifest& manifest = dataset.manifest();
  // The manifest's own keys come first, so that both read alike; the per-column constants stay in
  // the manifest.
  Json json = manifest_to_json(manifest);
  json.erase("preprocess");
  for (const char* key : {"names", "fill_values", "offset", "scale"}) {
    json["features"].erase(key);
    if (json.contains("edge_features"))
      json["edge_features"].erase(key);
  }
  json["folder"] = dataset.folder();
  json["digest"] = dataset_digest(manifest);
  json["balance"] = {{"owned", balance_to_json(report.owned)},
                     {"nodes", balance_to_json(report.chunk_nodes)},
                     {"edges", balance_to_json(report.chunk_edges)}};
  json["in_degree"] = {{"max", report.degree_max}, {"histogram", histogram_to_json(report)}};
  json["receptive_field"] = {{"one_hop_kept", report.one_hop_kept}, {"two_hop_kept", nullptr}};
  if (report.two_hop_known)
    json["receptive_field"]["two_hop_kept"] = report.two_hop_kept;
  return json;
}

}  // namespace regatta
