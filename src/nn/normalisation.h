// Layer norm and per-graph norm, in the working type.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <string>

namespace regatta {

/// layer: over the features of a row (Ba et al. 2016). graph: GraphNorm over all rows of x, which
/// have to be those of one graph (Cai et al. 2021). none: gives x back.
class Normalisation {
 public:
  Normalisation() = default;
  /// Registers `<name>_weight`, `<name>_bias` and, for graph, `<name>_mean_scale`, each [width].
  Normalisation(torch::nn::Module& owner,
                const std::string& kind,
                const std::string& name,
                std::int64_t width,
                at::ScalarType dtype);
  /// x [N,width] of any type -> the working type.
  at::Tensor apply(const at::Tensor& x) const;
  bool defined() const { return weight_.defined(); }

 private:
  at::Tensor weight_, bias_, mean_scale_;
};

}  // namespace regatta
