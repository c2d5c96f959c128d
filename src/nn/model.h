// Model: a stack of attention layers, driven layer by layer.
#pragma once

#include "nn/attention_layer.h"
#include "nn/model_options.h"

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace regatta {

struct ModelShape {
  std::int64_t features = 0;       ///< F of the dataset
  std::int64_t outputs = 0;        ///< what `width: 0` of the last layer stands for
  std::uint64_t seed = 0;
  at::ScalarType dtype = at::kFloat;
  std::int64_t edge_features = 0;  ///< Fe of the dataset, 0 = none
  std::int64_t edge_types = 0;     ///< relations of the dataset, 0 = none
};

/// Parameters are named layers.<l>.<...>. Throws Error(kUsage) for a width of 0 before the last
/// layer or a last layer whose output is not `outputs` wide.
class Model : public torch::nn::Module {
 public:
  Model(const ModelOptions& options, const ModelShape& shape);

  int num_layers() const { return static_cast<int>(layers_.size()); }
  /// What layer 0 reads: the batch's dense features, or undefined where they are sparse.
  static at::Tensor input(const Batch& batch);
  /// x [nodes_in[l], width] -> [rows_out[l], width']. The trainer calls it layer by layer, so that
  /// rows can be exchanged between layers.
  at::Tensor forward_layer(int layer, const PassContext& pass, const at::Tensor& x);
  at::Tensor attention(int layer, const PassContext& pass, const at::Tensor& x);

  /// Parameters in a fixed order, with their names.
  std::vector<std::pair<std::string, at::Tensor>> named() const;
  std::vector<at::Tensor> tensors() const;

 private:
  std::vector<std::shared_ptr<AttentionLayer>> layers_;
};

/// Logits [T', outputs]: forward_layer over all layers.
at::Tensor forward_all(Model& model, const PassContext& pass);

}  // namespace regatta
