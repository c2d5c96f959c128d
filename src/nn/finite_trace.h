// Finds the first tensor of a pass that is not finite.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace regatta {

/// Layers show it their tensors in the order of computation; it remembers the first one with a NaN
/// or an infinity: layer, name, shape and how many.
class FiniteTrace {
 public:
  /// `layer` < 0: not of a layer.
  void see(std::int64_t layer, const std::string& name, const at::Tensor& tensor);
  /// "model.layers.1: tensor 'value' [2708, 8, 8] has 3 NaN and 0 infinite values"; empty: all
  /// were finite.
  const std::string& fault() const { return fault_; }

 private:
  std::string fault_;
};

}  // namespace regatta
