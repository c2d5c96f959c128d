// How many tables attention makes of a layer's input: what memory and FLOP of a layer are counted
// by.
#pragma once

#include "nn/model_options.h"

namespace regatta {

/// Projections of H*D columns, by the rows that they are made for.
struct Projections {
  int of_nodes = 1;  ///< all nodes of the input
  int of_rows = 0;   ///< those that the layer computes
};

Projections projections_of(const LayerOptions& layer);

}  // namespace regatta
