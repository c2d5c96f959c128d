// GATv2 (Brody et al. 2022): e_ij = a . LeakyReLU(l_i + r_j + W_e x_ij), messages r_j.
#include "nn/attention_mechanism.h"

#include <torch/types.h>

namespace regatta {
namespace {

class Gatv2Attention : public AttentionMechanism {
 public:
  Gatv2Attention(const LayerOptions& options, const MechanismShape& shape)
      : heads_(shape.heads),
        width_(shape.width),
        negative_slope_(options.negative_slope),
        logit_scale_(options.logit_scale) {
    source_ = register_projection(*this, shape, "weight_source");
    if (!options.share_weights)
      destination_ = register_projection(*this, shape, "weight_destination");
    vector_ = register_attention_vector(*this, shape, "vector");
    edge_weight_ = register_edge_weight(*this, shape, "edge_weight", heads_ * width_);
  }

  AttentionTensors prepare(AttentionCall& call,
                           const LayerInput& input,
                           const at::Tensor& edge_x) override {
    call.kind = AttentionKind::kGatv2;
    call.negative_slope = negative_slope_;
    const std::int64_t nodes = input.nodes();
    AttentionTensors tensors;
    std::vector<Projection> projections{{source_, nodes, input.storage()}};
    if (destination_.defined())
      projections.push_back({destination_, call.rows, input.storage()});
    const std::vector<at::Tensor> projected = input.project_all(projections);
    tensors[TensorRole::kValue] = projected.front().view({nodes, heads_, width_});
    // Shared weights: the first rows of the sources.
    tensors[TensorRole::kQuery] =
        projected.back().narrow(0, 0, call.rows).view({call.rows, heads_, width_});
    tensors[TensorRole::kAttentionVector] = vector_ * logit_scale_;
    if (edge_x.defined()) {
      tensors[TensorRole::kEdgeX] = edge_x;
      tensors[TensorRole::kEdgeWeight] = edge_weight_.view({-1, heads_, width_});
    }
    return tensors;
  }

 private:
  std::int64_t heads_, width_;
  double negative_slope_, logit_scale_;
  at::Tensor source_, destination_;  // [F,H*D]; destination undefined when shared
  at::Tensor vector_;                // [H,D]
  at::Tensor edge_weight_;           // [Fe,H*D]
};

}  // namespace

std::shared_ptr<AttentionMechanism> make_gatv2_attention(const LayerOptions& options,
                                                         const MechanismShape& shape) {
  return std::make_shared<Gatv2Attention>(options, shape);
}

}  // namespace regatta
