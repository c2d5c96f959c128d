// One chunk of a partitioned graph: owned nodes, halo, and everything stored for them.
#pragma once

#include "data/graph_chunk.h"
#include "graph/partition.h"
#include "preprocess/construct/graph_data.h"
#include "preprocess/preprocess_options.h"

#include <cstdint>
#include <span>
#include <string>

namespace regatta {

inline constexpr const char* kLabelTarget = "label";

/// Features of `nodes`, in that order.
NodeFeatures select_features(const NodeFeatures& all, std::span<const std::int32_t> nodes);

/// Rings that chunks of this halo mode have: exact hops, one_hop 1, none 0.
std::int64_t halo_hops(const HaloOptions& halo);

/// Chunk `chunk` of `partition`. exact: rows of rings 0..hops-1 with all their in-edges. one_hop: a
/// row for each node, those of ring 1 with the edges among the chunk's nodes. none: owned rows with
/// the edges among them. Depends on its arguments only.
GraphChunk build_chunk(const GraphData& data,
                       const Partition& partition,
                       const HaloOptions& halo,
                       std::int64_t chunk);

}  // namespace regatta
