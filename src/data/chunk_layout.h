// Which arrays a chunk file has, of which type and shape, and whether they agree with each other
// and the manifest.
#pragma once

#include "data/chunk_faults.h"
#include "data/chunk_reader.h"
#include "data/graph_chunk.h"
#include "data/hdf5_file.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace regatta {

/// The root attributes.
struct ChunkSizes {
  std::int64_t chunk = 0, owned = 0, rows = 0, nodes = 0, edges = 0, hops = 0;
};

struct ChunkLayout {
  ChunkSizes sizes;
  FeatureKind feature_kind = FeatureKind::kDense;
  std::int64_t feature_width = 0;
  std::int64_t edge_width = 0;
  bool typed_edges = false;
  std::vector<std::string> targets;
  std::map<std::string, const Hdf5Dataset*> arrays;  ///< those of expected type and shape, by name
  bool sizes_known = false;                          ///< false: the root attributes are unusable

  bool has(const std::string& name) const { return arrays.contains(name); }
};

/// Checks everything that needs no array to be read. `description` must outlive the result.
ChunkLayout check_layout(const Hdf5Description& description,
                         const ChunkReadRequest& request,
                         ChunkFaults& faults);

}  // namespace regatta
