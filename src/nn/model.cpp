#include "nn/model.h"

#include <torch/torch.h>

#include "core/error.h"

namespace regatta {

Model::Model(const ModelOptions& options, const ModelShape& shape) {
  if (options.layers.empty())
    fail(ExitCode::kUsage, "model.layers: at least one layer is needed");
  torch::nn::ModuleList stack;
  register_module("layers", stack);
  std::int64_t input = shape.features;
  for (std::size_t l = 0; l < options.layers.size(); ++l) {
    const LayerOptions& layer = options.layers[l];
    const bool last = l + 1 == options.layers.size();
    if (layer.width == 0 && !last) {
      fail(ExitCode::kUsage,
           "model.layers.{}.width: 0 stands for the number of classes and is for the last layer "
           "only",
           l);
    }
    const std::int64_t width = layer.width == 0 ? shape.outputs : layer.width;
    layers_.push_back(std::make_shared<AttentionLayer>(
        layer, LayerShape{input, width, static_cast<std::int64_t>(l), shape.seed, shape.dtype}));
    stack->push_back(layers_.back());
    input = layers_.back()->output_width();
  }
  if (input != shape.outputs) {
    fail(ExitCode::kUsage,
         "model.layers.{}: the last layer gives {} values a node, the task has {} classes; leave "
         "width at 0 and use one head or combine: mean",
         options.layers.size() - 1,
         input,
         shape.outputs);
  }
}

at::Tensor Model::input(const Batch& batch) {
  if (!batch.features.dense.defined())
    return {};
  return batch.features.dense.narrow(0, 0, batch.nodes_in.front());
}

at::Tensor Model::forward_layer(int layer, const PassContext& pass, const at::Tensor& x) {
  return layers_[static_cast<std::size_t>(layer)]->forward(pass, x);
}

at::Tensor Model::attention(int layer, const PassContext& pass, const at::Tensor& x) {
  return layers_[static_cast<std::size_t>(layer)]->attention(pass, x);
}

std::vector<std::pair<std::string, at::Tensor>> Model::named() const {
  std::vector<std::pair<std::string, at::Tensor>> list;
  for (const auto& item : named_parameters()) list.emplace_back(item.key(), item.value());
  return list;
}

std::vector<at::Tensor> Model::tensors() const {
  return parameters();
}

at::Tensor forward_all(Model& model, const PassContext& pass) {
  at::Tensor h = Model::input(*pass.batch);
  for (int l = 0; l < model.num_layers(); ++l) h = model.forward_layer(l, pass, h);
  return h;
}

}  // namespace regatta
