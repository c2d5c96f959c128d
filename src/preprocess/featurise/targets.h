// Class labels and splits of the nodes.
#pragma once

#include "preprocess/clean/node_set.h"
#include "preprocess/preprocess_options.h"
#include "preprocess/sources/raw_tables.h"

#include <cstdint>
#include <string>
#include <vector>

namespace regatta {

/// Legend: N = nodes.
struct NodeLabels {
  bool present = false;              ///< some source has labels
  std::vector<std::string> classes;  ///< names: integers in numeric order, else sorted text
  std::vector<std::int64_t> value;   ///< [N] class number, -1 = unknown
};

/// Labels from the node table and, over them, the label table. `known_classes` (of fit_from; empty
/// = none) fixes the classes: a label outside it is Error(kData).
NodeLabels collect_labels(const RawTables& tables,
                          const NodeSet& nodes,
                          const std::vector<std::string>& known_classes,
                          RowReport& report);

/// Split number (Split) of every node. given: by the table, where a node with an unknown label must
/// be in no split; random: drawn from the labelled nodes by `seed`, the same for equal labels.
/// Throws Error(kData) and Error(kUsage).
std::vector<std::uint8_t> choose_splits(const RawTables& tables,
                                        const NodeIndex& index,
                                        const NodeLabels& labels,
                                        const SplitOptions& options,
                                        RowReport& report);

}  // namespace regatta
