// The whole cleaned data set in memory, before it is divided into chunks.
#pragma once

#include "data/graph_chunk.h"
#include "data/manifest.h"
#include "graph/csr_graph.h"
#include "preprocess/sources/columns.h"

#include <cstdint>
#include <string>
#include <vector>

namespace regatta {

/// Attributes of the edges, by edge_id. Legend: E = edges, Fe = width.
struct EdgeAttributes {
  ManifestEdgeFeatures features;
  std::vector<float> x;             ///< [E,Fe]
  ManifestEdgeTypes types;          ///< no names: edges have no type
  std::vector<std::uint16_t> type;  ///< [E], or empty
};

/// Legend: N = nodes. Node numbers are the global ids.
struct GraphData {
  CsrGraph graph;  ///< rows = nodes = N
  EdgeAttributes edges;
  NodeFeatures features;
  std::vector<std::string> feature_names;
  FeatureFit fit;
  bool has_target = false;  ///< false for data to predict on
  std::vector<std::string> classes;
  std::vector<std::int64_t> label;  ///< [N], -1 = unknown
  std::vector<std::uint8_t> split;  ///< [N], values of Split
  IdColumn ids;                     ///< [N] the user's own ids

  std::int64_t nodes() const { return graph.nodes; }
};

}  // namespace regatta
