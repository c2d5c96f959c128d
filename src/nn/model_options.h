// What a model is made of; the `model` section of a configuration.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/options.h"

namespace regatta {

/// One attention layer with what stands round it: input dropout -> attention -> bias, residual ->
/// layer norm -> activation.
struct LayerOptions {
  std::string attention = "gat";   ///< row of the attention table
  std::int64_t heads = 1;          ///< H
  std::int64_t width = 0;          ///< D; 0 = the number of classes (last layer only)
  std::string combine = "concat";  ///< concat -> [N, H*D], mean -> [N, D]
  std::string activation = "none";
  double input_dropout = 0;
  double attention_dropout = 0;
  double message_dropout = 0;   ///< on the projected features as messages; logits stay undropped
  double negative_slope = 0.2;  ///< gat: LeakyReLU
  std::string scale = "sqrt_width";  ///< dot: logits times 1 or 1/sqrt(D)
  bool bias = true;
  bool residual = false;  ///< adds a linear map of the layer's own input
  bool layer_norm = false;
  void declare(OptionGroup& group);
};

struct ModelOptions {
  std::vector<LayerOptions> layers;
  void declare(OptionGroup& group);
};

}  // namespace regatta
