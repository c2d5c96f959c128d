#include "nn/normalisation.h"

#include "nn/row_block_product.h"

#include <torch/nn/module.h>
#include <torch/types.h>

namespace regatta {
namespace {

constexpr double kEpsilon = 1e-5;

}  // namespace

Normalisation::Normalisation(torch::nn::Module& owner,
                             const std::string& kind,
                             const std::string& name,
                             std::int64_t width,
                             at::ScalarType dtype) {
  if (kind == "none")
    return;
  weight_ = owner.register_parameter(name + "_weight", torch::ones({width}, dtype));
  bias_ = owner.register_parameter(name + "_bias", torch::zeros({width}, dtype));
  if (kind == "graph")
    mean_scale_ = owner.register_parameter(name + "_mean_scale", torch::ones({width}, dtype));
}

at::Tensor Normalisation::apply(const at::Tensor& x_in) const {
  if (!defined())
    return x_in;
  const at::Tensor x = x_in.to(weight_.scalar_type());
  if (!mean_scale_.defined())
    return add_to_rows(scale_rows(torch::layer_norm(x, {x.size(1)}, {}, {}, kEpsilon), weight_),
                       bias_);
  const at::Tensor centred = add_to_rows(x, -(column_means(x) * mean_scale_));
  const at::Tensor variance = column_means(centred.square());
  return add_to_rows(scale_rows(centred, weight_ * torch::rsqrt(variance + kEpsilon)), bias_);
}

}  // namespace regatta
