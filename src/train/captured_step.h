// CapturedStep: a step's forward, loss and backward, recorded once and replayed while steps are
// alike. Sums over ranks, clipping and the optimiser stay outside.
#pragma once

#include "core/device_graph.h"
#include "nn/dropout_keys.h"
#include "train/capture_schedule.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace regatta {

/// What changes from one step to the next without making it another step.
struct StepNumbers {
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
};

/// Collects gradients by autograd into `.grad`: no hook may send them meanwhile (a closed
/// GradientReducer does not). Not copyable.
class CapturedStep {
 public:
  using MakeGraph = std::function<std::unique_ptr<DeviceGraph>()>;
  /// Forward, loss and backward of the step; returns the loss, which nobody has waited for. With
  /// keys, dropouts read them there instead of having them as arguments.
  using Pass = std::function<at::Tensor(const DropoutKeys* keys)>;

  CapturedStep(std::vector<at::Tensor> parameters, DropoutKeys keys, MakeGraph make_graph);

  /// Loss of the step; gradients() are its gradients until the next run. `chunk` is kept while a
  /// recording of it lives.
  double run(std::shared_ptr<const void> chunk,
             double weight,
             const StepNumbers& numbers,
             const Pass& pass);
  /// By parameter; undefined where there is none.
  const std::vector<at::Tensor>& gradients() const { return gradients_; }

  /// Why steps are not captured (any more); empty: they are, or may yet be.
  const std::string& refusal() const { return schedule_.refusal(); }
  std::int64_t replayed() const { return replayed_; }  ///< steps that were replayed

 private:
  struct Recording {
    std::shared_ptr<const void> chunk;
    at::Tensor loss;
    std::vector<at::Tensor> gradients;
    std::unique_ptr<DeviceGraph> graph;
  };

  double run_plain(const Pass& pass);
  void record(std::shared_ptr<const void> chunk, const StepNumbers& numbers, const Pass& pass);
  void check(const StepNumbers& numbers);
  void replay(const StepNumbers& numbers);
  std::vector<at::Tensor> take_gradients();

  std::vector<at::Tensor> parameters_;
  DropoutKeys keys_;
  MakeGraph make_graph_;
  CaptureSchedule schedule_;
  std::optional<Recording> recording_;
  at::Tensor loss_;  ///< of the last step
  std::vector<at::Tensor> gradients_;
  std::int64_t replayed_ = 0;
};

}  // namespace regatta
