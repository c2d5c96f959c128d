#include "nn/model_options.h"

#include "nn/activation.h"
#include "nn/attention_layer.h"

namespace regatta {

void LayerOptions::declare(OptionGroup& group) {
  const RealRange probability{.min = 0, .max = 1, .max_exclusive = true};
  group.choice("attention", attention, attention_names(), "kind of attention");
  group.integer("heads", heads, {.min = 1, .max = 1024}, "number of heads");
  group.integer("width",
                width,
                {.min = 0, .max = 65536},
                "features a head; 0 = number of classes, last layer only");
  group.choice("combine", combine, {"concat", "mean"}, "how the heads become the layer's output");
  group.choice("activation", activation, activation_names(), "nonlinearity after the layer");
  group.number("input_dropout", input_dropout, probability, "dropout on the layer's input");
  group.number("attention_dropout", attention_dropout, probability, "dropout on attention weights");
  group.number("message_dropout",
               message_dropout,
               probability,
               "dropout on projected features as messages (logits see them undropped)");
  group.number("negative_slope", negative_slope, {.min = 0, .max = 1}, "gat: slope of LeakyReLU");
  group.choice("scale", scale, {"none", "sqrt_width"}, "dot: logits times 1 or 1/sqrt(width)");
  group.flag("bias", bias, "adds a learned bias");
  group.flag("residual", residual, "adds a linear map of the layer's own input");
  group.flag("layer_norm", layer_norm, "layer norm before the activation");
}

void ModelOptions::declare(OptionGroup& group) {
  group.list("layers", layers, "attention layers, first to last").required();
}

}  // namespace regatta
