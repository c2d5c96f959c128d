// Small random datasets that are right in every detail, for tests that read, spoil or mutate them.
#pragma once

#include "data/graph_chunk.h"
#include "data/manifest.h"

#include <cstdint>
#include <string>
#include <vector>

namespace regatta::test {

struct SampleSpec {
  std::int64_t nodes = 40;
  std::int64_t chunks = 2;
  std::string halo = "exact";  ///< exact | one_hop | none
  std::int64_t hops = 2;       ///< for exact
  std::int64_t mean_degree = 3;
  bool sparse = false;
  std::int64_t width = 5;
  std::int64_t classes = 3;  ///< 0: no target
  std::int64_t splittings = 1;
  std::string ids = "none";  ///< none | integer | text
  std::int64_t edge_width = 0;
  std::int64_t edge_types = 0;
  std::uint64_t seed = 1;
};

struct Sample {
  Manifest manifest;
  std::vector<GraphChunk> chunks;
};

/// Writes it into `folder`, which must exist. Some chunks may own no node, some nodes have no edge,
/// some edges are parallel. Equal specs give equal files.
Sample write_sample_dataset(const std::string& folder, const SampleSpec& spec);

}  // namespace regatta::test
