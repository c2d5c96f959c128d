#include "nn/model.h"

#include "core/error.h"
#include "nn/dense_product.h"
#include "nn/initial_weights.h"
#include "nn/precision.h"
#include "nn/row_block_product.h"
#include "nn/tensor_memory.h"

#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/types.h>

namespace regatta {

Model::Model(const ModelOptions& options, const ModelShape& shape)
    : jumping_knowledge_(options.jumping_knowledge) {
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
    if (layer.relations == "parameters")
      relations_ = shape.edge_types;
    const auto index = static_cast<std::int64_t>(l);
    const std::int64_t width = layer.width == 0 ? shape.outputs : layer.width;
    const LayerShape of_layer{input,
                              width,
                              index,
                              shape.seed,
                              shape.dtype,
                              shape.features,
                              shape.edge_features,
                              shape.edge_types};
    in_layer(index, [&] { layers_.push_back(std::make_shared<AttentionLayer>(layer, of_layer)); });
    stack->push_back(layers_.back());
    input = layers_.back()->output_width();
  }
  if (jumping_knowledge_ != "none") {
    add_head(shape);
  } else if (input != shape.outputs) {
    fail(ExitCode::kUsage,
         "model.layers.{}: the last layer gives {} values a node, the task has {} classes; leave "
         "width at 0 and use one head or combine: mean",
         options.layers.size() - 1,
         input,
         shape.outputs);
  }
}

void Model::add_head(const ModelShape& shape) {
  std::int64_t width = 0;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const std::int64_t output = layers_[l]->output_width();
    if (jumping_knowledge_ == "max" && l > 0 && output != width) {
      fail(
          ExitCode::kUsage,
          "model.jumping_knowledge: max needs layers of one width; model.layers.{} gives {} values "
          "a node, the layers before it {}; use concat or equal widths",
          l,
          output,
          width);
    }
    width = jumping_knowledge_ == "max" ? output : width + output;
  }
  head_weight_ = register_parameter(
      "head_weight",
      glorot_uniform(
          {width, shape.outputs}, width, shape.outputs, {shape.seed, "head_weight", shape.dtype}));
  head_bias_ = register_parameter("head_bias", torch::zeros({shape.outputs}, shape.dtype));
}

at::Tensor Model::input(const Batch& batch) {
  if (!batch.features.dense.defined())
    return {};
  return batch.features.dense.narrow(0, 0, batch.nodes_in.front());
}

at::Tensor Model::forward_layer(int layer, const PassContext& pass, const at::Tensor& x) {
  return layers_[static_cast<std::size_t>(layer)]->forward(pass, x);
}

at::Tensor Model::finish(const std::vector<at::Tensor>& layers) const {
  const at::Tensor& last = layers.back();
  const at::ScalarType working = working_type(last.scalar_type());
  if (!head_weight_.defined())
    return last.to(working);
  std::vector<at::Tensor> rows;
  for (const at::Tensor& output : layers) rows.push_back(output.narrow(0, 0, last.size(0)));
  const at::Tensor read =
      jumping_knowledge_ == "concat" ? torch::cat(rows, 1) : std::get<0>(torch::stack(rows).max(0));
  return add_to_rows(dense_product(read, head_weight_, working), head_bias_);
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

void check_model_fits(const ModelOptions& options, std::size_t chunks, bool full_step) {
  for (std::size_t l = 0; l < options.layers.size(); ++l) {
    if (options.layers[l].norm != "graph" || (chunks == 1 && full_step))
      continue;
    fail(
        ExitCode::kUsage,
        "model.layers.{}.norm: graph takes its statistics over all nodes of the graph, so it needs "
        "a dataset of 1 chunk and train.step: full; this dataset has {} chunk(s){}",
        l,
        chunks,
        full_step ? "" : " and a step covers a part of it");
  }
}

at::Tensor forward_all(Model& model, const PassContext& pass) {
  std::vector<at::Tensor> outputs;
  at::Tensor h = Model::input(*pass.batch);
  for (int l = 0; l < model.num_layers(); ++l) {
    h = model.forward_layer(l, pass, h);
    outputs.push_back(h);
  }
  return model.finish(outputs);
}

}  // namespace regatta
