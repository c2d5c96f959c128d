// What a model is made of; the `model` section of a configuration.
#pragma once

#include "core/options.h"

#include <cstdint>
#include <string>
#include <vector>

namespace regatta {

/// One attention layer with what stands round it: (norm) -> input dropout -> attention -> bias,
/// residual -> (norm) -> activation -> feed-forward block.
struct LayerOptions {
  std::string attention = "gat";   ///< row of the attention table
  std::int64_t heads = 1;          ///< H
  std::int64_t width = 0;          ///< D; 0 = the number of classes (last layer only)
  std::string combine = "concat";  ///< concat -> [N, H*D], mean -> [N, D]
  std::string activation = "none";
  double input_dropout = 0;
  double attention_dropout = 0;
  double message_dropout = 0;   ///< on the projected features as messages; logits stay undropped
  double negative_slope = 0.2;  ///< gat, gatv2: LeakyReLU
  std::string score_on = "projected";  ///< dot: logits of z or of the layer's input
  std::string scale = "sqrt_width";    ///< dot: logits times 1 or 1/sqrt(width of what they read)
  double logit_scale = 1;              ///< all logits times this
  bool share_weights = false;          ///< gatv2: one projection for both sides
  bool edge_features = false;          ///< logits (transformer: messages too) read edge features
  std::string relations = "none";      ///< none | bias | parameters
  bool bias = true;
  std::string residual = "none";  ///< none | linear | identity | input; false, true: none, linear
  std::string norm = "none";      ///< none | layer | graph
  std::string norm_place = "after";  ///< before | after
  bool layer_norm = false;           ///< the same as norm: layer
  std::int64_t feed_forward = 0;     ///< hidden width of the block after attention, 0 = no block
  void declare(OptionGroup& group);

  /// "none", "linear", "identity" or "input".
  std::string residual_kind() const;
  /// `norm`, with layer_norm taken into account.
  std::string norm_kind() const;
};

struct ModelOptions {
  std::vector<LayerOptions> layers;
  std::string jumping_knowledge = "none";  ///< none | concat | max
  void declare(OptionGroup& group);
};

}  // namespace regatta
