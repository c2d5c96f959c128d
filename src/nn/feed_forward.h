// The feed-forward block of a graph transformer.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <string>

namespace regatta {

/// GELU(x up + up_bias) down + down_bias. Parameters: up [W,hidden], down [hidden,W] and biases.
class FeedForward : public torch::nn::Module {
 public:
  /// `name` keys the initial weights.
  FeedForward(std::int64_t width,
              std::int64_t hidden,
              std::uint64_t seed,
              const std::string& name,
              at::ScalarType dtype);
  /// [R,W] -> [R,W]; products of storage type `storage`, the sum of the working type.
  at::Tensor forward(const at::Tensor& x, at::ScalarType storage) const;

 private:
  at::Tensor up_, up_bias_, down_, down_bias_;
};

}  // namespace regatta
