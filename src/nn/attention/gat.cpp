// GAT (Velickovic et al. 2018): e_ij = LeakyReLU(a_s . z_j + a_d . z_i + a_e . W_e x_ij).
#include "nn/attention_mechanism.h"
#include "nn/folded_logits.h"
#include "nn/row_block_product.h"

#include <torch/types.h>

#include <tuple>

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
    // LeakyReLU(c u) = c LeakyReLU(u), so the scale of the logits goes in here.
    const at::Tensor folded = fold_vectors(weight_, {source_, destination_}, logit_scale_);
    const std::vector<at::Tensor> projected = input.project_all(
        {{weight_, nodes, input.storage()}, {folded, nodes, weight_.scalar_type()}});
    tensors[TensorRole::kValue] = projected[0].view({nodes, heads_, width_});
    std::tie(tensors[TensorRole::kSourceLogit], tensors[TensorRole::kDestinationLogit]) =
        split_logits(projected[1], call.rows);
    if (edge_x.defined())
      tensors[TensorRole::kEdgeLogit] =
          row_block_product(edge_x, fold_vectors(edge_weight_, {edge_}, logit_scale_));
    return tensors;
  }

 private:
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
