// GAT (Velickovic et al. 2018): e_ij = LeakyReLU(a_s . z_j + a_d . z_i).
#include <torch/torch.h>

#include "nn/attention_layer.h"
#include "nn/initial_weights.h"

namespace regatta {
namespace {

class GatAttention : public AttentionMechanism {
 public:
  GatAttention(const LayerOptions& options, const MechanismShape& shape)
      : negative_slope_(options.negative_slope) {
    source_ = register_parameter("source", initial(shape, ".source"));
    destination_ = register_parameter("destination", initial(shape, ".destination"));
  }

  at::Tensor attend(AttentionCall call, const at::Tensor& z) override {
    fill(call);
    return regatta::attend(call, z, source_logit(z), destination_logit(call, z));
  }
  at::Tensor weights(AttentionCall call, const at::Tensor& z) override {
    fill(call);
    return attention_weights(call, z, source_logit(z), destination_logit(call, z));
  }

 private:
  static at::Tensor initial(const MechanismShape& shape, const char* suffix) {
    return glorot_uniform({shape.heads, shape.width},
                          shape.heads,
                          shape.width,
                          {shape.seed, shape.name + suffix, shape.dtype});
  }
  void fill(AttentionCall& call) const {
    call.kind = AttentionKind::kGat;
    call.negative_slope = negative_slope_;
  }
  at::Tensor source_logit(const at::Tensor& z) { return (z * source_).sum(-1); }
  at::Tensor destination_logit(const AttentionCall& call, const at::Tensor& z) {
    return (z.narrow(0, 0, call.rows) * destination_).sum(-1);
  }

  double negative_slope_;
  at::Tensor source_, destination_;  // [H,D]
};

}  // namespace

std::shared_ptr<AttentionMechanism> make_gat_attention(const LayerOptions& options,
                                                       const MechanismShape& shape) {
  return std::make_shared<GatAttention>(options, shape);
}

}  // namespace regatta
