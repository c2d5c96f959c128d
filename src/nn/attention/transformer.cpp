// Scaled dot products of queries and keys (Shi et al. 2021, as PyG's TransformerConv):
// e_ij = <q_i, k_j + W_e x_ij> / sqrt(D), messages v_j + W_e x_ij.
#include "nn/attention_mechanism.h"

#include <torch/types.h>

#include <cmath>

namespace regatta {
namespace {

class TransformerAttention : public AttentionMechanism {
 public:
  TransformerAttention(const LayerOptions& options, const MechanismShape& shape)
      : heads_(shape.heads),
        width_(shape.width),
        scale_(options.logit_scale / std::sqrt(static_cast<double>(shape.width))) {
    query_ = register_projection(*this, shape, "weight_query");
    key_ = register_projection(*this, shape, "weight_key");
    value_ = register_projection(*this, shape, "weight_value");
    edge_weight_ = register_edge_weight(*this, shape, "edge_weight", heads_ * width_);
  }

  AttentionTensors prepare(AttentionCall& call,
                           const LayerInput& input,
                           const at::Tensor& edge_x) override {
    call.kind = AttentionKind::kDot;
    call.scale = scale_;
    const std::int64_t nodes = input.nodes();
    AttentionTensors tensors;
    const at::ScalarType type = input.storage();
    const std::vector<at::Tensor> projected =
        input.project_all({{key_, nodes, type}, {value_, nodes, type}, {query_, call.rows, type}});
    tensors[TensorRole::kKey] = projected[0].view({nodes, heads_, width_});
    tensors[TensorRole::kValue] = projected[1].view({nodes, heads_, width_});
    tensors[TensorRole::kQuery] = projected[2].view({call.rows, heads_, width_});
    if (edge_x.defined()) {
      // <q_i, W_e x_ij> = <W_e^T q_i, x_ij>: rows of Fe a head instead of D an edge.
      const at::Tensor q = tensors[TensorRole::kQuery].to(edge_weight_.scalar_type());
      tensors[TensorRole::kEdgeX] = edge_x;
      tensors[TensorRole::kEdgeQuery] =
          torch::bmm(q.transpose(0, 1), edge_maps().transpose(1, 2)).transpose(0, 1) * scale_;
    }
    return tensors;
  }

  at::Tensor edge_messages(const at::Tensor& edge_out) override {
    return torch::bmm(edge_out.transpose(0, 1), edge_maps()).transpose(0, 1);
  }

 private:
  /// W_e by head [H,Fe,D].
  at::Tensor edge_maps() const { return edge_weight_.view({-1, heads_, width_}).transpose(0, 1); }

  std::int64_t heads_, width_;
  double scale_;
  at::Tensor query_, key_, value_;  // [F,H*D]
  at::Tensor edge_weight_;          // [Fe,H*D]
};

}  // namespace

std::shared_ptr<AttentionMechanism> make_transformer_attention(const LayerOptions& options,
                                                               const MechanismShape& shape) {
  return std::make_shared<TransformerAttention>(options, shape);
}

}  // namespace regatta
