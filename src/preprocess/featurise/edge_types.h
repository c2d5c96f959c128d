// Types of the cleaned edges, as numbers and names.
#pragma once

#include "data/manifest.h"
#include "preprocess/clean/clean_edges.h"
#include "preprocess/construct/graph_data.h"
#include "preprocess/preprocess_options.h"
#include "preprocess/sources/raw_tables.h"

namespace regatta {

/// Fills edges.type and edges.types as make_edge_attributes says; the table must have types.
void set_edge_types(const EdgeTable& table,
                    const CleanedEdges& cleaned,
                    const CleanOptions& options,
                    const Manifest* fitted,
                    EdgeAttributes& edges);

}  // namespace regatta
