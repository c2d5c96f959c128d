// Verification of whole datasets.
#include "data/dataset_verify.h"

#include "core/error.h"
#include "data/chunk_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace regatta {
namespace {

class Verifier {
 public:
  Verifier(const std::string& folder, const Manifest& manifest, bool allow_non_finite)
      : folder_(folder),
        manifest_(manifest),
        allow_non_finite_(allow_non_finite),
        map_(!on_network_filesystem(folder)) {
    share_.owned_nodes.resize(static_cast<std::size_t>((manifest.nodes + 7) / 8));
    share_.edge_types.resize(manifest.edge_types.names.size());
  }

  void check(std::int64_t chunk) {
    const ChunkReadRequest asked = request(chunk);
    const std::size_t before = share_.faults.size();
    const GraphChunk content = verify_chunk_file(
        asked, [this](const std::string& fault) { share_.faults.push_back(fault); });
    ++share_.chunks;
    share_.bytes += manifest_.chunks[static_cast<std::size_t>(chunk)].bytes;
    if (share_.faults.size() > before)
      return;  // its ids cannot be trusted
    for (std::size_t i = 0; i < static_cast<std::size_t>(content.num_owned); ++i) {
      const auto node = static_cast<std::uint64_t>(content.global_id[i]);
      share_.owned_nodes[node / 8] |= static_cast<std::uint8_t>(1U << (node % 8));
    }
    count_edge_types(content);
    check_owners(content, asked.path);
  }

  VerifyShare take() { return std::move(share_); }

 private:
  ChunkReadRequest request(std::int64_t chunk) const {
    ChunkReadRequest result;
    result.path = folder_ + "/" + manifest_.chunks[static_cast<std::size_t>(chunk)].file;
    result.manifest = &manifest_;
    result.chunk = chunk;
    result.map = map_;
    result.allow_non_finite = allow_non_finite_;
    return result;
  }

  void count_edge_types(const GraphChunk& content) {
    if (!content.typed_edges)
      return;
    const auto end = content.graph.indptr[static_cast<std::size_t>(content.num_owned)];
    for (std::int64_t e = 0; e < end; ++e)
      ++share_.edge_types[content.edge_type[static_cast<std::size_t>(e)]];
  }

  /// Where each halo node says that it is owned, its owner must have the same node.
  void check_owners(const GraphChunk& content, const std::string& path) {
    std::map<std::int32_t, SharedArray<std::int64_t>> owners;
    for (std::size_t i = 0; i < content.owner_chunk.size(); ++i) {
      const std::int32_t owner = content.owner_chunk[i];
      const auto [entry, fresh] = owners.try_emplace(owner);
      if (fresh)
        entry->second = owned_ids(owner);
      if (entry->second.empty())
        continue;  // that chunk has a fault of its own
      const std::int64_t found = entry->second[static_cast<std::size_t>(content.owner_row[i])];
      const std::int64_t expected =
          content.global_id[i + static_cast<std::size_t>(content.num_owned)];
      if (found == expected)
        continue;
      share_.faults.push_back(
          fmt::format("{}: /nodes/owner_row: [{}] points at node {} of chunk {}, expected node {}; "
                      "chunks of different runs "
                      "may be mixed: preprocess again",
                      path,
                      i,
                      found,
                      owner,
                      expected));
      return;
    }
  }

  SharedArray<std::int64_t> owned_ids(std::int32_t chunk) const {
    try {
      return read_global_ids(request(chunk));
    } catch (const Error&) {
      return {};
    }
  }

  const std::string& folder_;
  const Manifest& manifest_;
  bool allow_non_finite_;
  bool map_;
  VerifyShare share_;
};

}  // namespace

VerifyShare verify_chunks(const std::string& folder,
                          const Manifest& manifest,
                          const VerifyRequest& request) {
  Verifier verifier(folder, manifest, request.allow_non_finite);
  const auto chunks = static_cast<std::int64_t>(manifest.chunks.size());
  for (std::int64_t chunk = request.first; chunk < chunks; chunk += request.stride)
    verifier.check(chunk);
  return verifier.take();
}

std::string edge_types_fault(const std::string& folder,
                             const Manifest& manifest,
                             const std::vector<std::int64_t>& edge_types) {
  const auto& expected = manifest.edge_types.counts;
  if (manifest.halo_mode == "none" || edge_types == expected)
    return "";
  const auto differs = std::mismatch(expected.begin(), expected.end(), edge_types.begin());
  return fmt::format(
      "{}: edges of type '{}': the chunks have {}, expected {} as edge_types.counts of the "
      "manifest "
      "says; preprocess again",
      folder,
      manifest.edge_types.names[static_cast<std::size_t>(differs.first - expected.begin())],
      *differs.second,
      *differs.first);
}

std::string missing_nodes_fault(const std::string& folder,
                                const Manifest& manifest,
                                const std::vector<std::uint8_t>& owned_nodes) {
  for (std::int64_t node = 0; node < manifest.nodes; ++node) {
    const auto at = static_cast<std::uint64_t>(node);
    if ((owned_nodes[at / 8] >> (at % 8) & 1U) == 0)
      return fmt::format(
          "{}: node {} is owned by no chunk (and so another one by two), expected each node in "
          "exactly one; preprocess again",
          folder,
          node);
  }
  return "";
}

}  // namespace regatta
