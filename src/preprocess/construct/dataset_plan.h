// Everything about a dataset short of writing it: raw files -> clean -> featurise -> order ->
// partition.
#pragma once

#include "data/manifest.h"
#include "graph/partition.h"
#include "preprocess/clean/clean_edges.h"
#include "preprocess/construct/graph_data.h"
#include "preprocess/construct/node_order.h"
#include "preprocess/preprocess_options.h"
#include "preprocess/sources/row_report.h"

#include <string>

namespace regatta {

/// A function of the options and the files they name: equal on every rank.
struct DatasetPlan {
  GraphData data;
  Partition partition;
  Manifest manifest;  ///< without its chunks' file entries and replication
  CleanCounts counts;
  NodeOrder order;
  RowReport report{"error", "error"};
};

/// Throws Error(kData) for bad input (file:line), Error(kUsage) for options that do not fit.
DatasetPlan plan_dataset(const PreprocessOptions& options);

/// CRC32C over all arrays of the plan and its manifest, to compare ranks.
std::uint32_t plan_digest(const DatasetPlan& plan);

/// Info lines for the user: sizes, what cleaning dropped, splits, cut.
void log_plan(const DatasetPlan& plan);

}  // namespace regatta
