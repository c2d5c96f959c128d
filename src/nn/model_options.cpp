#include "nn/model_options.h"

#include "nn/activation.h"
#include "nn/attention_mechanism.h"

namespace regatta {

namespace {

void declare_attention(LayerOptions& layer, OptionGroup& group) {
  const RealRange probability{.min = 0, .max = 1, .max_exclusive = true};
  group.choice("attention", layer.attention, attention_names(), "kind of attention");
  group.integer("heads", layer.heads, {.min = 1, .max = 1024}, "number of heads");
  group.integer("width",
                layer.width,
                {.min = 0, .max = 65536},
                "features a head; 0 = number of classes, last layer only");
  group.choice(
      "combine", layer.combine, {"concat", "mean"}, "how the heads become the layer's output");
  group.choice("activation", layer.activation, activation_names(), "nonlinearity after the layer");
  group.number("input_dropout", layer.input_dropout, probability, "dropout on the layer's input");
  group.number(
      "attention_dropout", layer.attention_dropout, probability, "dropout on attention weights");
  group.number("message_dropout",
               layer.message_dropout,
               probability,
               "dropout on projected features as messages (logits see them undropped)");
}

void declare_logits(LayerOptions& layer, OptionGroup& group) {
  group.number("negative_slope",
               layer.negative_slope,
               {.min = 0, .max = 1},
               "gat, gatv2: slope of LeakyReLU");
  group.choice(
      "score_on",
      layer.score_on,
      {"projected", "input"},
      "dot: logits are products of projected rows, or of the layer's input rows, shared by "
      "all heads (sparse features are made dense for that)");
  group.choice("scale",
               layer.scale,
               {"none", "sqrt_width"},
               "dot: logits times 1 or 1/sqrt(width of the rows they are products of)");
  group.number("logit_scale",
               layer.logit_scale,
               {.min = 0, .max = 1e6, .min_exclusive = true},
               "all logits times this");
  group.flag(
      "share_weights", layer.share_weights, "gatv2: one projection for both ends of an edge");
  group.flag("edge_features",
             layer.edge_features,
             "edge features enter the logits, and for transformer the messages");
  group.choice("relations",
               layer.relations,
               {"none", "bias", "parameters"},
               "edge types: bias adds a learned number by type and head to the logits, parameters "
               "gives each type projections and attention of its own under one softmax");
}

void declare_surroundings(LayerOptions& layer, OptionGroup& group) {
  group.flag("bias", layer.bias, "adds a learned bias");
  group.choice("residual",
               layer.residual,
               {"none", "linear", "identity", "input", "false", "true"},
               "adds a linear map of the layer's input (linear or true), that input itself "
               "(identity), or a linear map of the model's input (input)");
  group.choice("norm",
               layer.norm,
               {"none", "layer", "graph"},
               "layer: over the features of a node; graph: over the nodes of the graph (one chunk, "
               "step: full)");
  group.choice(
      "norm_place",
      layer.norm_place,
      {"after", "before"},
      "norm: after attention and residual (and after the feed-forward block), or before each");
  group.flag("layer_norm", layer.layer_norm, "the same as norm: layer");
  group.integer("feed_forward",
                layer.feed_forward,
                {.min = 0, .max = 1 << 20},
                "hidden width of a feed-forward block with GELU after the layer; 0 = none");
}

}  // namespace

void LayerOptions::declare(OptionGroup& group) {
  declare_attention(*this, group);
  declare_logits(*this, group);
  declare_surroundings(*this, group);
}

std::string LayerOptions::residual_kind() const {
  return residual == "true" ? "linear" : residual == "false" ? "none" : residual;
}

std::string LayerOptions::norm_kind() const {
  return norm == "none" && layer_norm ? "layer" : norm;
}

void ModelOptions::declare(OptionGroup& group) {
  group.list("layers", layers, "attention layers, first to last").required();
  group.choice("jumping_knowledge",
               jumping_knowledge,
               {"none", "concat", "max"},
               "a linear head reads the outputs of all layers, side by side or their maximum");
}

}  // namespace regatta
