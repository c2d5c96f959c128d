#include "nn/feed_forward.h"

#include "nn/activation.h"
#include "nn/dense_product.h"
#include "nn/initial_weights.h"
#include "nn/row_block_product.h"

#include <torch/types.h>

namespace regatta {

FeedForward::FeedForward(std::int64_t width,
                         std::int64_t hidden,
                         std::uint64_t seed,
                         const std::string& name,
                         at::ScalarType dtype) {
  up_ = register_parameter(
      "up", glorot_uniform({width, hidden}, width, hidden, {seed, name + ".up", dtype}));
  up_bias_ = register_parameter("up_bias", torch::zeros({hidden}, dtype));
  down_ = register_parameter(
      "down", glorot_uniform({hidden, width}, hidden, width, {seed, name + ".down", dtype}));
  down_bias_ = register_parameter("down_bias", torch::zeros({width}, dtype));
}

at::Tensor FeedForward::forward(const at::Tensor& x, at::ScalarType storage) const {
  const at::Tensor hidden =
      activate("gelu", add_to_rows(dense_product(x.to(storage), up_, storage), up_bias_))
          .to(storage);
  return add_to_rows(dense_product(hidden, down_, storage), down_bias_);
}

}  // namespace regatta
