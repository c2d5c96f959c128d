// Dot-product attention, the base form: e_ij = <z_i, z_j> * scale, or <x_i, x_j> * scale of the
// layer's input (score_on: input), one set of logits for all heads.
#include "nn/attention_mechanism.h"
#include "nn/row_block_product.h"

#include <torch/types.h>

#include <cmath>

namespace regatta {
namespace {

class DotAttention : public AttentionMechanism {
 public:
  DotAttention(const LayerOptions& options, const MechanismShape& shape)
      : heads_(shape.heads),
        width_(shape.width),
        on_input_(options.score_on == "input"),
        logit_scale_(options.logit_scale) {
    const std::int64_t score_width = on_input_ ? shape.input : width_;
    scale_ = logit_scale_ *
             (options.scale == "none" ? 1.0 : 1.0 / std::sqrt(static_cast<double>(score_width)));
    weight_ = register_projection(*this, shape, "weight");
    edge_weight_ = register_edge_weight(*this, shape, "edge_weight", on_input_ ? 1 : heads_);
  }

  AttentionTensors prepare(AttentionCall& call,
                           const LayerInput& input,
                           const at::Tensor& edge_x) override {
    call.kind = AttentionKind::kDot;
    call.scale = scale_;
    const std::int64_t nodes = input.nodes();
    AttentionTensors tensors;
    tensors[TensorRole::kValue] = input.project(weight_, nodes).view({nodes, heads_, width_});
    if (on_input_) {
      const at::Tensor x = input.dense(nodes).unsqueeze(1);
      tensors[TensorRole::kQuery] = x.narrow(0, 0, call.rows);
      tensors[TensorRole::kKey] = x;
    }
    if (edge_x.defined())
      tensors[TensorRole::kEdgeLogit] = row_block_product(edge_x, edge_weight_ * logit_scale_);
    return tensors;
  }

 private:
  std::int64_t heads_, width_;
  bool on_input_;
  double logit_scale_;
  double scale_;
  at::Tensor weight_;       // [F,H*D]
  at::Tensor edge_weight_;  // [Fe,Hs]
};

}  // namespace

std::shared_ptr<AttentionMechanism> make_dot_attention(const LayerOptions& options,
                                                       const MechanismShape& shape) {
  return std::make_shared<DotAttention>(options, shape);
}

}  // namespace regatta
