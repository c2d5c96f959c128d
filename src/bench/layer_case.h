// The layer that `regatta bench layer` runs: graph, input, parameters and one step.
#pragma once

#include "bench/layer_bench.h"
#include "nn/attention_layer.h"

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>

namespace regatta {

/// Of rows: "fp32", "bf16", "fp64".
at::ScalarType storage_type(const std::string& precision);

/// Seconds of one step.
struct StepSeconds {
  double forward = 0;
  double backward = 0;
  double processor = 0;  ///< of all threads together
};

/// Owns everything a step needs. Inputs and parameters are keyed by the options' seed.
class LayerCase {
 public:
  LayerCase(const LayerBenchOptions& options, const PreparedGraph& graph);
  LayerCase(const LayerCase&) = delete;
  LayerCase& operator=(const LayerCase&) = delete;

  StepSeconds step();
  /// The same layer, input and dropouts in fp64 on the reference kernels.
  std::unique_ptr<LayerCase> exact(const LayerBenchOptions& options) const;

  /// y and, as "grad.x", "grad.<parameter>", the gradients of the last step.
  std::map<std::string, at::Tensor> results() const;
  const at::Tensor& x() const { return x_; }
  const at::Tensor& grad_y() const { return grad_y_; }
  const PreparedGraph& graph() const { return batch_.graph; }
  std::map<std::string, at::Tensor> parameters() const;
  /// Multiplications of a step's dense products, twice: 6 N times the weights that x is multiplied
  /// with.
  double dense_flop() const;

 private:
  Batch batch_;
  AttentionLayer layer_;
  at::Tensor x_, grad_y_, y_;
  std::uint64_t seed_;
};

/// Writes the case, and the results of its last step, as layer_bench.h says. Throws
/// Error(kStorage).
void export_case(const LayerBenchOptions& options, const LayerCase& layer);

}  // namespace regatta
