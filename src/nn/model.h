// Model: a stack of attention layers, driven layer by layer.
#pragma once

#include "nn/attention_layer.h"
#include "nn/model_options.h"
#include "nn/model_shape.h"

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace regatta {

/// Parameters are named layers.<l>.<...>; with jumping knowledge (Xu et al. 2018), head_weight
/// [K,outputs] and head_bias [outputs]. Throws Error(kUsage) for a width of 0 before the last
/// layer, a last layer whose output is not `outputs` wide where no head follows, and layers of
/// unequal widths under jumping_knowledge: max.
class Model : public torch::nn::Module {
 public:
  Model(const ModelOptions& options, const ModelShape& shape);

  int num_layers() const { return static_cast<int>(layers_.size()); }
  /// What layer 0 reads: the batch's dense features, or undefined where they are sparse.
  static at::Tensor input(const Batch& batch);
  /// x [nodes_in[l], width] -> [rows_out[l], width']. The trainer calls it layer by layer, so that
  /// rows can be exchanged between layers.
  at::Tensor forward_layer(int layer, const PassContext& pass, const at::Tensor& x);
  /// Logits [rows_out[L-1], outputs] in the working type from the outputs of all layers. Layer l
  /// computed a prefix of the rows of the one before, so the head reads the last layer's rows of
  /// each.
  at::Tensor finish(const std::vector<at::Tensor>& layers) const;
  /// Relation graphs that a batch has to hold for this model: T, or 0.
  std::int64_t relations() const { return relations_; }
  at::Tensor attention(int layer, const PassContext& pass, const at::Tensor& x);

  /// Parameters in a fixed order, with their names.
  std::vector<std::pair<std::string, at::Tensor>> named() const;
  std::vector<at::Tensor> tensors() const;

 private:
  void add_head(const ModelShape& shape);

  std::string jumping_knowledge_;
  std::int64_t relations_ = 0;
  std::vector<std::shared_ptr<AttentionLayer>> layers_;
  at::Tensor head_weight_, head_bias_;
};

/// Error(kUsage) for options that are exact on some datasets alone: norm: graph needs one chunk
/// and, in training, `full_step`.
void check_model_fits(const ModelOptions& options, std::size_t chunks, bool full_step);

/// Logits [T', outputs]: forward_layer over all layers, then finish.
at::Tensor forward_all(Model& model, const PassContext& pass);

}  // namespace regatta
