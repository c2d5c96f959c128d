// Raw features become the stored ones: representation, filling of gaps, normalisation.
#pragma once

#include "data/graph_chunk.h"
#include "data/manifest.h"
#include "preprocess/clean/node_set.h"
#include "preprocess/preprocess_options.h"
#include "preprocess/sources/raw_tables.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace regatta {

struct FeatureResult {
  NodeFeatures features;           ///< of all nodes, no gaps
  FeatureFit fit;                  ///< the constants used
  std::vector<std::string> names;  ///< of the columns; empty when the source has none
};

/// Features of `nodes` from the node table. Constants come from `fitted` (the manifest of fit_from)
/// or else from the nodes of the training split, gaps left out (population variance). Throws
/// Error(kData) for gaps under fill: error (file:line), for features that do not fit `fitted`, and
/// Error(kUsage) for settings that sparse features cannot have.
FeatureResult make_features(const NodeTable& table,
                            const NodeSet& nodes,
                            std::span<const std::uint8_t> split,
                            const FeatureOptions& options,
                            const Manifest* fitted);

}  // namespace regatta
