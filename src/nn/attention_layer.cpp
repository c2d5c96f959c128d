#include "nn/attention_layer.h"

#include <torch/torch.h>

#include "core/error.h"
#include "nn/activation.h"
#include "nn/initial_weights.h"
#include "nn/keyed_dropout.h"

namespace regatta {

AttentionLayer::AttentionLayer(const LayerOptions& options, const LayerShape& shape)
    : options_(options), shape_(shape) {
  const std::int64_t projected = options.heads * shape.width;
  output_width_ = options.combine == "concat" ? projected : shape.width;
  const std::string name = fmt::format("layers.{}", shape.index);
  const auto options_of = torch::TensorOptions(shape.dtype);

  weight_ = register_parameter("weight",
                               glorot_uniform({shape.input, projected},
                                              shape.input,
                                              projected,
                                              {shape.seed, name + ".weight", shape.dtype}));
  if (options.bias)
    bias_ = register_parameter("bias", torch::zeros({output_width_}, options_of));
  if (options.residual) {
    residual_ = register_parameter("residual",
                                   glorot_uniform({shape.input, output_width_},
                                                  shape.input,
                                                  output_width_,
                                                  {shape.seed, name + ".residual", shape.dtype}));
  }
  if (options.layer_norm) {
    norm_weight_ = register_parameter("norm_weight", torch::ones({output_width_}, options_of));
    norm_bias_ = register_parameter("norm_bias", torch::zeros({output_width_}, options_of));
  }
  mechanism_ = register_module(
      "attention",
      make_attention(options,
                     {options.heads, shape.width, shape.seed, name + ".attention", shape.dtype}));
}

DropoutArgs AttentionLayer::dropout(const PassContext& pass,
                                    double probability,
                                    RandomPurpose purpose) const {
  if (!pass.training || probability <= 0)
    return {};
  return {probability,
          make_random_key(pass.seed, purpose, pass.step, static_cast<std::uint64_t>(shape_.index))};
}

AttentionCall AttentionLayer::call_for(const PassContext& pass) const {
  AttentionCall call;
  call.batch = pass.batch;
  call.rows = pass.batch->rows_out[static_cast<std::size_t>(shape_.index)];
  call.attention_dropout =
      dropout(pass, options_.attention_dropout, RandomPurpose::kAttentionDropout);
  call.message_dropout = dropout(pass, options_.message_dropout, RandomPurpose::kMessageDropout);
  return call;
}

at::Tensor AttentionLayer::dropped(const PassContext& pass, const at::Tensor& x) {
  if (!x.defined())
    return x;  // sparse features: the projection kernel drops as it reads
  const DropoutArgs args = dropout(pass, options_.input_dropout, RandomPurpose::kInputDropout);
  return keyed_dropout(x, pass.batch->global_id, args.probability, args.key);
}

at::Tensor AttentionLayer::project(const PassContext& pass,
                                   const at::Tensor& x,
                                   const at::Tensor& weight,
                                   std::int64_t rows) {
  if (x.defined())
    return torch::mm(x.narrow(0, 0, rows), weight);
  return sparse_project(*pass.batch,
                        rows,
                        weight,
                        dropout(pass, options_.input_dropout, RandomPurpose::kInputDropout));
}

at::Tensor AttentionLayer::finish(const PassContext& pass,
                                  const at::Tensor& heads,
                                  const at::Tensor& x) {
  at::Tensor y = options_.combine == "concat" ? heads.flatten(1) : heads.mean(1);
  if (bias_.defined())
    y = y + bias_;
  if (residual_.defined())
    y = y + project(pass, x, residual_, y.size(0));
  if (norm_weight_.defined()) {
    y = torch::layer_norm(y, {output_width_}, norm_weight_, norm_bias_);
  }
  return activate(options_.activation, y);
}

at::Tensor AttentionLayer::forward(const PassContext& pass, const at::Tensor& x_in) {
  const auto layer = static_cast<std::size_t>(shape_.index);
  const at::Tensor x = dropped(pass, x_in);
  const std::int64_t nodes = pass.batch->nodes_in[layer];
  const at::Tensor z = project(pass, x, weight_, nodes).view({nodes, options_.heads, shape_.width});
  return finish(pass, mechanism_->attend(call_for(pass), z), x);
}

at::Tensor AttentionLayer::attention(const PassContext& pass, const at::Tensor& x) {
  const torch::NoGradGuard no_grad;
  const std::int64_t nodes = pass.batch->nodes_in[static_cast<std::size_t>(shape_.index)];
  const at::Tensor z =
      project(pass, dropped(pass, x), weight_, nodes).view({nodes, options_.heads, shape_.width});
  return mechanism_->weights(call_for(pass), z);
}

}  // namespace regatta
