// Checks of what a chunk's arrays say: rings, edges, labels, features, ids.
#pragma once

#include "data/chunk_faults.h"
#include "data/chunk_layout.h"
#include "data/chunk_reader.h"
#include "data/graph_chunk.h"

namespace regatta {

/// `chunk` holds the arrays of `layout`; arrays that the layout lacks are not looked at. Bounds
/// first, so that nothing is indexed by an unchecked value.
void check_content(const GraphChunk& chunk,
                   const ChunkLayout& layout,
                   const ChunkReadRequest& request,
                   ChunkFaults& faults);

}  // namespace regatta
