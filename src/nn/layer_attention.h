// The attention of one layer: its mechanism, or one for each relation under a common softmax.
#pragma once

#include "nn/attention_mechanism.h"

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace regatta {

struct LayerShape {
  std::int64_t input = 0;  ///< F
  std::int64_t width = 0;  ///< D, with 0 resolved
  std::int64_t index = 0;  ///< l
  std::uint64_t seed = 0;
  at::ScalarType dtype = at::kFloat;  ///< of parameters
  std::int64_t features = 0;          ///< width of the model's input
  std::int64_t edge_features = 0;     ///< Fe of the dataset
  std::int64_t edge_types = 0;        ///< T of the dataset
};

/// What the kernels do to O in the same store: y = activation(O + bias + residual).
struct FusedEpilogue {
  FusedActivation activation = FusedActivation::kNone;
  at::Tensor bias;      ///< (w) [H*D] or undefined
  at::Tensor residual;  ///< [R,H*D] or undefined
};

/// Registers its parameters on the layer: the mechanism as `attention`, its projections on the
/// layer itself (`weight`, ...), `relation_bias` [T,Hs]. With relations: parameters, the mechanism
/// of relation t is `attention.<t>` with its projections, and the T partial softmaxes of a row are
/// merged by their logsumexps (Busbridge et al. 2019), at T times the memory of O and the
/// projections.
class LayerAttention {
 public:
  LayerAttention(torch::nn::Module& layer, const LayerOptions& options, const LayerShape& shape);

  /// Whether `attend` can take an epilogue: parts that are added to O outside the kernel come
  /// before bias and activation.
  bool fuses() const { return mechanisms_.size() == 1 && !adds_edge_messages_; }
  /// O [R,H,D], or y where an epilogue is given.
  at::Tensor attend(const PassContext& pass,
                    const LayerInput& input,
                    const FusedEpilogue* epilogue) const;
  /// alpha (w) [E,Hs] before dropout, of the edges of the layer's rows.
  at::Tensor weights(const PassContext& pass, const LayerInput& input) const;

 private:
  /// One kernel call, ready to run.
  struct Prepared {
    AttentionCall call;
    AttentionTensors tensors;
  };
  AttentionCall call_for(const PassContext& pass) const;
  Prepared prepare(const PassContext& pass, const LayerInput& input) const;
  Prepared prepare_relation(const PassContext& pass,
                            const LayerInput& input,
                            std::size_t relation) const;
  at::Tensor edge_features(const Batch& batch, std::int64_t edges) const;
  at::Tensor run(const PassContext& pass,
                 std::size_t mechanism,
                 Prepared& part,
                 at::Tensor* l) const;
  at::Tensor attend_relations(const PassContext& pass, const LayerInput& input) const;
  at::Tensor relation_weights(const PassContext& pass, const LayerInput& input) const;
  void see(const PassContext& pass, const AttentionTensors& tensors) const;

  LayerOptions options_;
  LayerShape shape_;
  std::vector<std::shared_ptr<AttentionMechanism>> mechanisms_;
  at::Tensor relation_bias_;
  bool adds_edge_messages_ = false;
};

/// Dropout `purpose` of layer `layer` in this pass; none outside training.
DropoutArgs pass_dropout(const PassContext& pass,
                         double probability,
                         RandomPurpose purpose,
                         std::int64_t layer);

}  // namespace regatta
