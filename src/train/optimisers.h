// Optimisers by name, through torch::optim, with their state as named tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/safetensors.h"
#include "train/train_options.h"

namespace regatta {

/// A row of the optimiser table over a fixed list of named parameters.
class Optimiser {
 public:
  virtual ~Optimiser() = default;
  virtual void step() = 0;
  virtual void zero_grad() = 0;
  virtual void set_learning_rate(double rate) = 0;
  /// State tensors as "<parameter>.<slot>"; steps as int64 scalars. load() takes the same list.
  virtual NamedTensors state() const = 0;
  virtual void load(const NamedTensors& state) = 0;
};

std::vector<std::string> optimiser_names();
/// Throws Error(kUsage) for an unknown name or options that contradict each other.
std::unique_ptr<Optimiser> make_optimiser(const OptimiserOptions& options,
                                          const NamedTensors& parameters);

}  // namespace regatta
