// Dot-product attention, the base form: e_ij = <z_i, z_j> * scale, no parameters of its own.
#include <torch/torch.h>

#include <cmath>

#include "nn/attention_layer.h"

namespace regatta {
namespace {

class DotAttention : public AttentionMechanism {
 public:
  DotAttention(const LayerOptions& options, const MechanismShape& shape)
      : scale_(options.scale == "none" ? 1.0 : 1.0 / std::sqrt(static_cast<double>(shape.width))) {}

  at::Tensor attend(AttentionCall call, const at::Tensor& z) override {
    fill(call);
    return regatta::attend(call, z, {}, {});
  }
  at::Tensor weights(AttentionCall call, const at::Tensor& z) override {
    fill(call);
    return attention_weights(call, z, {}, {});
  }

 private:
  void fill(AttentionCall& call) const {
    call.kind = AttentionKind::kDot;
    call.scale = scale_;
  }
  double scale_;
};

}  // namespace

std::shared_ptr<AttentionMechanism> make_dot_attention(const LayerOptions& options,
                                                       const MechanismShape& shape) {
  return std::make_shared<DotAttention>(options, shape);
}

}  // namespace regatta
