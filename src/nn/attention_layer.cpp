#include "nn/attention_layer.h"

#include "core/error.h"
#include "nn/activation.h"
#include "nn/initial_weights.h"
#include "nn/precision.h"
#include "nn/row_block_product.h"
#include "nn/sparse_projection.h"
#include "nn/tensor_memory.h"

#include <torch/types.h>

#include <fmt/ranges.h>

#include <array>
#include <optional>
#include <utility>

namespace regatta {
namespace {

/// Activations that the kernels have.
std::optional<FusedActivation> fused_activation(const std::string& name) {
  using enum FusedActivation;
  constexpr std::array<std::pair<const char*, FusedActivation>, 6> kTable = {{
      {"none", kNone},
      {"elu", kElu},
      {"relu", kRelu},
      {"leaky_relu", kLeakyRelu},
      {"tanh", kTanh},
      {"sigmoid", kSigmoid},
  }};
  for (const auto& [known, activation] : kTable) {
    if (name == known)
      return activation;
  }
  return std::nullopt;
}

void check_options(const LayerOptions& options, const LayerShape& shape, std::int64_t output) {
  if (options.heads < 1 || shape.width < 1) {
    fail(ExitCode::kUsage,
         "model.layers.{}: {} heads of width {} found, expected at least 1 of each",
         shape.index,
         options.heads,
         shape.width);
  }
  if (options.residual_kind() == "identity" && shape.input != output) {
    fail(ExitCode::kUsage,
         "model.layers.{}.residual: identity adds the layer's input of width {} to its output of "
         "width {}; make them equal or use residual: linear",
         shape.index,
         shape.input,
         output);
  }
  if (options.layer_norm && options.norm == "graph") {
    fail(ExitCode::kUsage,
         "model.layers.{}: layer_norm: true and norm: graph exclude each other; leave layer_norm "
         "out",
         shape.index);
  }
}

}  // namespace

AttentionLayer::AttentionLayer(const LayerOptions& options, const LayerShape& shape)
    : options_(options), shape_(shape) {
  output_width_ = options.combine == "concat" ? options.heads * shape.width : shape.width;
  check_options(options, shape, output_width_);
  const std::string name = fmt::format("layers.{}", shape.index);
  attention_ = std::make_unique<LayerAttention>(*this, options, shape);
  if (options.bias)
    bias_ = register_parameter("bias", torch::zeros({output_width_}, shape.dtype));
  const std::string residual = options.residual_kind();
  if (residual == "linear" || residual == "input") {
    const std::int64_t from = residual == "input" ? shape.features : shape.input;
    residual_ = register_parameter("residual",
                                   glorot_uniform({from, output_width_},
                                                  from,
                                                  output_width_,
                                                  {shape.seed, name + ".residual", shape.dtype}));
  }
  const std::int64_t norm_width = options.norm_place == "before" ? shape.input : output_width_;
  norm_ = Normalisation(*this, options.norm_kind(), "norm", norm_width, shape.dtype);
  if (options.feed_forward > 0) {
    feed_forward_ = register_module(
        "feed_forward",
        std::make_shared<FeedForward>(
            output_width_, options.feed_forward, shape.seed, name + ".feed_forward", shape.dtype));
    feed_forward_norm_ =
        Normalisation(*this, options.norm_kind(), "feed_forward_norm", output_width_, shape.dtype);
  }
}

void AttentionLayer::check_input(const PassContext& pass, const at::Tensor& x) const {
  const Batch& batch = *pass.batch;
  const std::int64_t nodes = batch.nodes_in[static_cast<std::size_t>(shape_.index)];
  const bool sparse = !x.defined();
  const std::int64_t width = sparse ? batch.features.width : x.size(-1);
  if (width != shape_.input || (!sparse && (x.dim() != 2 || x.size(0) < nodes))) {
    fail(ExitCode::kUsage,
         "model.layers.{}: input of shape [{}] found, expected [{}, {}]",
         shape_.index,
         sparse ? fmt::format("{}, {}", nodes, width)
                : fmt::format("{}", fmt::join(x.sizes().vec(), ", ")),
         nodes,
         shape_.input);
  }
  if (sparse && norm_comes("before")) {
    fail(ExitCode::kUsage,
         "model.layers.{}.norm_place: before needs dense input, and this layer reads the dataset's "
         "sparse features; use norm_place: after there, or preprocess with "
         "features.representation: dense",
         shape_.index);
  }
  if (options_.norm_kind() == "graph" &&
      batch.rows_out[static_cast<std::size_t>(shape_.index)] != batch.graph.in.nodes) {
    fail(ExitCode::kUsage,
         "model.layers.{}.norm: graph needs all nodes of the graph in one chunk without a halo, "
         "this batch computes {} of {} nodes; preprocess into 1 chunk and use train.step: full",
         shape_.index,
         batch.rows_out[static_cast<std::size_t>(shape_.index)],
         batch.graph.in.nodes);
  }
}

LayerInput AttentionLayer::input_of(const PassContext& pass, const at::Tensor& x) const {
  check_input(pass, x);
  const Batch& batch = *pass.batch;
  const DropoutArgs dropout =
      pass_dropout(pass, options_.input_dropout, RandomPurpose::kInputDropout, shape_.index);
  const at::Tensor read = norm_comes("before") ? norm_.apply(x).to(batch.placement.dtype) : x;
  if (pass.trace != nullptr)
    pass.trace->see(shape_.index, "input", read);
  return {batch, batch.nodes_in[static_cast<std::size_t>(shape_.index)], read, dropout};
}

at::Tensor AttentionLayer::residual(const PassContext& pass,
                                    const LayerInput& input,
                                    const at::Tensor& x) const {
  const Batch& batch = *pass.batch;
  const std::int64_t rows = batch.rows_out[static_cast<std::size_t>(shape_.index)];
  const std::string kind = options_.residual_kind();
  if (kind == "linear")
    return input.project(residual_, rows);
  if (kind == "identity")
    return x.defined() ? x.narrow(0, 0, rows) : densified(batch, rows);
  if (kind == "input")
    return LayerInput(batch, rows, batch.features.dense, {}).project(residual_, rows);
  return {};
}

at::Tensor AttentionLayer::combine(const at::Tensor& heads) const {
  if (concatenates())
    return heads.flatten(1);
  return heads.to(working_type(heads.scalar_type())).mean(1);
}

at::Tensor AttentionLayer::feed_forward(const PassContext& pass, const at::Tensor& y) const {
  const at::ScalarType storage = pass.batch->placement.dtype;
  if (options_.norm_place == "before")
    return y + feed_forward_->forward(feed_forward_norm_.apply(y), storage);
  return feed_forward_norm_.apply(y + feed_forward_->forward(y, storage));
}

at::Tensor AttentionLayer::output_of(const PassContext& pass, const at::Tensor& x) const {
  const LayerInput input = input_of(pass, x);
  const at::Tensor added = residual(pass, input, x);
  const auto activation = fused_activation(options_.activation);
  at::Tensor y;
  if (concatenates() && activation && attention_->fuses() && !norm_comes("after")) {
    const FusedEpilogue epilogue{*activation, bias_, added};
    y = combine(attention_->attend(pass, input, &epilogue));
  } else {
    y = combine(attention_->attend(pass, input, nullptr));
    if (bias_.defined())
      y = add_to_rows(y, bias_);
    if (added.defined())
      y = y + added;
    if (norm_comes("after"))
      y = norm_.apply(y);
    y = activate(options_.activation, y);
  }
  if (feed_forward_ != nullptr)
    y = feed_forward(pass, y);
  y = y.to(pass.batch->placement.dtype);
  if (pass.trace != nullptr)
    pass.trace->see(shape_.index, "output", y);
  return y;
}

at::Tensor AttentionLayer::forward(const PassContext& pass, const at::Tensor& x) {
  at::Tensor y;
  in_layer(shape_.index, [&] { y = output_of(pass, x); });
  return y;
}

at::Tensor AttentionLayer::attention(const PassContext& pass, const at::Tensor& x) {
  const torch::NoGradGuard no_grad;
  at::Tensor alpha;
  in_layer(shape_.index, [&] { alpha = attention_->weights(pass, input_of(pass, x)); });
  return alpha;
}

}  // namespace regatta
