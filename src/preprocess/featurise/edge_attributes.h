// Features and types of the cleaned edges.
#pragma once

#include "data/manifest.h"
#include "preprocess/clean/clean_edges.h"
#include "preprocess/construct/graph_data.h"
#include "preprocess/preprocess_options.h"
#include "preprocess/sources/raw_tables.h"

#include <string_view>

namespace regatta {

inline constexpr const char* kSelfLoopType = "self_loop";
inline constexpr std::string_view kReversePrefix = "rev_";

/// Throws Error(kUsage) for options of edge attributes that contradict each other.
void check_edge_options(const PreprocessOptions& options);

/// Features and types of all edges, by edge_id. Reversed edges have the features of their row.
/// Constants are those of `fitted` (the manifest of fit_from), or are fitted on the rows that are
/// kept, each once. Added self loops get zeros or the mean of the node's other in-edges (0 without
/// any; summed in their order), and the type kSelfLoopType. Types are numbered in sorted order,
/// then those of reversed edges (kReversePrefix before the name) in the same order, then
/// kSelfLoopType; with `fitted` as it has them. Throws Error(kData) with file and line for missing
/// values under fill: error, values beyond 32 bits, and types that clash or that `fitted` lacks.
EdgeAttributes make_edge_attributes(EdgeTable table,
                                    const CleanedEdges& cleaned,
                                    const PreprocessOptions& options,
                                    const Manifest* fitted);

}  // namespace regatta
