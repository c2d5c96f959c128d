// GAT (Velickovic et al. 2018): e_ij = LeakyReLU(a_s . z_j + a_d . z_i + a_e . W_e x_ij).
#include "nn/attention_mechanism.h"
#include "nn/row_block_product.h"

#include <torch/torch.h>

namespace regatta {
namespace {

class GatAttention : public AttentionMechanism {
 public:
  GatAttention(const LayerOptions& options, const MechanismShape& shape)
      : heads_(shape.heads),
        width_(shape.width),
        negative_slope_(options.negative_slope),
        logit_scale_(options.logit_scale) {
    weight_ = register_projection(*this, shape, "weight");
    source_ = register_attention_vector(*this, shape, "source");
    destination_ = register_attention_vector(*this, shape, "destination");
    edge_weight_ = register_edge_weight(*this, shape, "edge_weight", heads_ * width_);
    if (edge_weight_.defined())
      edge_ = register_attention_vector(*this, shape, "edge");
  }

  AttentionTensors prepare(AttentionCall& call,
                           const LayerInput& input,
                           const at::Tensor& edge_x) override {
    call.kind = AttentionKind::kGat;
    call.negative_slope = negative_slope_;
    const std::int64_t nodes = input.nodes();
    AttentionTensors tensors;
    // a . (xW) = x (W a): a narrow product instead of another pass over z.
    const at::Tensor folded = fold(weight_, {source_, destination_});
    const std::vector<at::Tensor> projected = input.project_all(
        {{weight_, nodes, input.storage()}, {folded, nodes, weight_.scalar_type()}});
    tensors[TensorRole::kValue] = projected[0].view({nodes, heads_, width_});
    const at::Tensor& logits = projected[1];
    tensors[TensorRole::kSourceLogit] = logits.narrow(1, 0, heads_);
    tensors[TensorRole::kDestinationLogit] =
        logits.narrow(0, 0, call.rows).narrow(1, heads_, heads_);
    if (edge_x.defined())
      tensors[TensorRole::kEdgeLogit] = row_block_product(edge_x, fold(edge_weight_, {edge_}));
    return tensors;
  }

 private:
  /// [F,V*H] of a projection [F,H*D] and V vectors [H,D]. LeakyReLU(c u) = c LeakyReLU(u), so the
  /// scale of the logits goes in here.
  at::Tensor fold(const at::Tensor& projection, at::TensorList vectors) const {
    // As a product with the vectors spread over [H*D,V*H], whose gradient has a fixed order of
    // sums.
    const at::Tensor own_head = torch::eye(heads_, projection.options()) * logit_scale_;
    const at::Tensor spread =
        torch::stack(vectors, -1).unsqueeze(-1) * own_head.view({heads_, 1, 1, heads_});
    return row_block_product(projection, spread.flatten(2).flatten(0, 1));
  }

  std::int64_t heads_, width_;
  double negative_slope_, logit_scale_;
  at::Tensor weight_;                       // [F,H*D]
  at::Tensor source_, destination_, edge_;  // [H,D]
  at::Tensor edge_weight_;                  // [Fe,H*D]
};

}  // namespace

std::shared_ptr<AttentionMechanism> make_gat_attention(const LayerOptions& options,
                                                       const MechanismShape& shape) {
  return std::make_shared<GatAttention>(options, shape);
}

}  // namespace regatta
