#include "nn/projections.h"

namespace regatta {

Projections projections_of(const LayerOptions& layer) {
  if (layer.attention == "transformer")
    return {2, 1};
  if (layer.attention == "gatv2" && !layer.share_weights)
    return {1, 1};
  return {};
}

}  // namespace regatta
