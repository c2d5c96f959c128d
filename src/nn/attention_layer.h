// One attention layer with what stands round it.
#pragma once

#include "nn/feed_forward.h"
#include "nn/layer_attention.h"
#include "nn/normalisation.h"

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>

namespace regatta {

/// y [R,out] from x [N,F] (undefined for the sparse features of the batch). out = H*D (concat) or D
/// (mean). Parameters beside those of LayerAttention: bias [out], residual [F,out], norm_*,
/// feed_forward.*, feed_forward_norm_*. Bias, residual and activation are fused with the kernel
/// where combine is concat, the kernels have the activation, and no norm comes between.
class AttentionLayer : public torch::nn::Module {
 public:
  /// Throws Error(kUsage) naming the layer's option for heads or widths below 1, an identity
  /// residual between unequal widths, and edge features or relations that the dataset lacks.
  AttentionLayer(const LayerOptions& options, const LayerShape& shape);
  /// Throws Error(kUsage) naming layer and shapes for an x that does not fit, Error(kDevice) naming
  /// the layer and, of attention's tensors, which one there is no memory for.
  at::Tensor forward(const PassContext& pass, const at::Tensor& x);
  /// alpha [E,Hs] of the layer's rows for input x, before dropout.
  at::Tensor attention(const PassContext& pass, const at::Tensor& x);
  std::int64_t output_width() const { return output_width_; }

 private:
  void check_input(const PassContext& pass, const at::Tensor& x) const;
  LayerInput input_of(const PassContext& pass, const at::Tensor& x) const;
  at::Tensor output_of(const PassContext& pass, const at::Tensor& x) const;
  at::Tensor residual(const PassContext& pass, const LayerInput& input, const at::Tensor& x) const;
  /// Whether heads stand side by side: one head is its own mean.
  bool concatenates() const { return options_.combine == "concat" || options_.heads == 1; }
  at::Tensor combine(const at::Tensor& heads) const;
  at::Tensor feed_forward(const PassContext& pass, const at::Tensor& y) const;
  bool norm_comes(const char* place) const {
    return norm_.defined() && options_.norm_place == place;
  }

  LayerOptions options_;
  LayerShape shape_;
  std::int64_t output_width_;
  std::unique_ptr<LayerAttention> attention_;
  at::Tensor bias_, residual_;
  Normalisation norm_, feed_forward_norm_;
  std::shared_ptr<FeedForward> feed_forward_;
};

}  // namespace regatta
