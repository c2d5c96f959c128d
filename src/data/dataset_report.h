// What `regatta inspect` shows of a dataset.
#pragma once

#include "data/dataset.h"

#include <nlohmann/json_fwd.hpp>

#include <array>
#include <cstdint>
#include <string>

namespace regatta {

/// Largest share of one chunk, and how it compares with the mean.
struct Balance {
  std::int64_t max = 0;
  double mean = 0;
  double ratio() const { return mean > 0 ? static_cast<double>(max) / mean : 1; }
};

/// Numbers that take a look into every chunk; the manifest has the rest.
struct DatasetReport {
  std::uint64_t bytes = 0;
  std::int64_t rows = 0, nodes = 0, edges = 0;  ///< sums over chunks
  Balance owned, chunk_nodes, chunk_edges;
  /// Owned nodes by stored in-degree: [0] degree 0, [i] degrees [2^(i-1), 2^i).
  std::array<std::int64_t, 64> degree_histogram{};
  std::int64_t degree_max = 0;
  std::int64_t owned_edges = 0;  ///< in-edges stored for owned nodes
  /// Share of the in-edges of owned nodes that their chunks hold (what one layer sees); 1 for an
  /// exact halo.
  double one_hop_kept = 1;
  /// Share of the walks of two edges that end in an owned node; known for halo modes exact and
  /// one_hop.
  double two_hop_kept = 1;
  bool two_hop_known = true;
};

/// Reads all chunks, one at a time. Memory: 4 bytes a node for mode one_hop. Throws Error(kData).
DatasetReport inspect_dataset(const Dataset& dataset);

nlohmann::ordered_json report_to_json(const DatasetReport& report, const Dataset& dataset);
std::string report_to_text(const DatasetReport& report, const Dataset& dataset);

}  // namespace regatta
