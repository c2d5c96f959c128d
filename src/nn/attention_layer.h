// One attention layer with its projection and what stands round it.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "nn/attention_function.h"
#include "nn/batch.h"
#include "nn/model_options.h"

namespace regatta {

/// What a pass through the model needs to know beside its input.
struct PassContext {
  const Batch* batch = nullptr;
  bool training = false;  ///< dropouts on
  std::uint64_t seed = 0;
  std::uint64_t step = 0;  ///< keys the dropouts
};

/// Parameters and logits of one attention kind: a row of the attention table.
class AttentionMechanism : public torch::nn::Module {
 public:
  /// O [R,H,D] from the projected features z [N,H,D]; `call` comes with batch, rows and dropouts
  /// filled in.
  virtual at::Tensor attend(AttentionCall call, const at::Tensor& z) = 0;
  /// alpha [E,H], before dropout.
  virtual at::Tensor weights(AttentionCall call, const at::Tensor& z) = 0;
};

struct MechanismShape {
  std::int64_t heads = 1;
  std::int64_t width = 1;
  std::uint64_t seed = 0;
  std::string name;  ///< prefix of the parameter names, keys the initial weights
  at::ScalarType dtype = at::kFloat;
};

std::shared_ptr<AttentionMechanism> make_gat_attention(const LayerOptions&, const MechanismShape&);
std::shared_ptr<AttentionMechanism> make_dot_attention(const LayerOptions&, const MechanismShape&);

/// Rows of the attention table.
std::vector<std::string> attention_names();
/// Throws Error(kUsage) listing the known names.
std::shared_ptr<AttentionMechanism> make_attention(const LayerOptions&, const MechanismShape&);

struct LayerShape {
  std::int64_t input = 0;  ///< F
  std::int64_t width = 0;  ///< D, with 0 resolved
  std::int64_t index = 0;  ///< l
  std::uint64_t seed = 0;
  at::ScalarType dtype = at::kFloat;
};

/// y [R,out] from x [N,F] (undefined for the sparse features of the batch). out = H*D (concat) or D
/// (mean). Parameters: weight [F,H*D], bias [out], residual [F,out], norm.weight/norm.bias [out],
/// attention.*.
class AttentionLayer : public torch::nn::Module {
 public:
  AttentionLayer(const LayerOptions& options, const LayerShape& shape);
  at::Tensor forward(const PassContext& pass, const at::Tensor& x);
  /// alpha [E,H] of the layer's rows for input x, before dropout.
  at::Tensor attention(const PassContext& pass, const at::Tensor& x);
  std::int64_t output_width() const { return output_width_; }

 private:
  at::Tensor project(const PassContext& pass,
                     const at::Tensor& x,
                     const at::Tensor& weight,
                     std::int64_t rows);
  at::Tensor dropped(const PassContext& pass, const at::Tensor& x);
  AttentionCall call_for(const PassContext& pass) const;
  DropoutArgs dropout(const PassContext& pass, double probability, RandomPurpose purpose) const;
  at::Tensor finish(const PassContext& pass, const at::Tensor& heads, const at::Tensor& x);

  LayerOptions options_;
  LayerShape shape_;
  std::int64_t output_width_;
  at::Tensor weight_, bias_, residual_, norm_weight_, norm_bias_;
  std::shared_ptr<AttentionMechanism> mechanism_;
};

}  // namespace regatta
