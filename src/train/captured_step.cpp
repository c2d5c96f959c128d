#include "train/captured_step.h"

#include "core/error.h"

#include <torch/types.h>

#include <fmt/format.h>

#include <exception>
#include <utility>

namespace regatta {
namespace {

/// Bits, so that NaN equals itself; undefined equals undefined.
bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  if (!a.defined() || !b.defined())
    return a.defined() == b.defined();
  if (a.scalar_type() != b.scalar_type() || a.sizes() != b.sizes())
    return false;
  const at::ScalarType bits = a.element_size() == 8 ? torch::kInt64 : torch::kInt32;
  return torch::equal(a.contiguous().view(bits), b.contiguous().view(bits));
}

/// Ends the recording whatever happens in it.
class RecordingScope {
 public:
  explicit RecordingScope(DeviceGraph& graph) : graph_(graph) { graph_.begin(); }
  ~RecordingScope() {
    if (ended_)
      return;
    try {
      graph_.end();
    } catch (const std::exception&) {
      // What failed inside is on its way to whoever tells of it.
    }
  }
  RecordingScope(const RecordingScope&) = delete;
  RecordingScope& operator=(const RecordingScope&) = delete;
  void end() {
    ended_ = true;
    graph_.end();
  }

 private:
  DeviceGraph& graph_;
  bool ended_ = false;
};

}  // namespace

CapturedStep::CapturedStep(std::vector<at::Tensor> parameters,
                           DropoutKeys keys,
                           MakeGraph make_graph)
    : parameters_(std::move(parameters)),
      keys_(std::move(keys)),
      make_graph_(std::move(make_graph)) {}

std::vector<at::Tensor> CapturedStep::take_gradients() {
  std::vector<at::Tensor> list;
  for (at::Tensor& parameter : parameters_) {
    list.push_back(parameter.grad());
    parameter.mutable_grad().reset();
  }
  return list;
}

double CapturedStep::run_plain(const Pass& pass) {
  take_gradients();  // the last step's, lest autograd add to them
  loss_ = pass(nullptr).detach();
  gradients_ = take_gradients();
  return loss_.item<double>();
}

void CapturedStep::record(std::shared_ptr<const void> chunk,
                          const StepNumbers& numbers,
                          const Pass& pass) {
  try {
    keys_.store(numbers.seed, numbers.step);
    Recording made{std::move(chunk), {}, {}, make_graph_()};
    RecordingScope scope(*made.graph);
    made.loss = pass(&keys_).detach();
    made.gradients = take_gradients();
    scope.end();
    recording_ = std::move(made);
    schedule_.captured();
  } catch (const std::exception& error) {
    take_gradients();
    const std::string text = error.what();
    schedule_.refuse(fmt::format("the capture failed: {}", text.substr(0, text.find('\n'))));
  }
}

void CapturedStep::replay(const StepNumbers& numbers) {
  keys_.store(numbers.seed, numbers.step);
  recording_->graph->replay();
}

void CapturedStep::check(const StepNumbers& numbers) {
  replay(numbers);
  bool same = same_bits(recording_->loss, loss_);
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    same = same && same_bits(recording_->gradients[i], gradients_[i]);
  if (same)
    schedule_.checked();
  else
    schedule_.refuse("the captured step gave other bits than the plain one");
}

double CapturedStep::run(std::shared_ptr<const void> chunk,
                         double weight,
                         const StepNumbers& numbers,
                         const Pass& pass) {
  const StepMode mode = schedule_.next({chunk, weight});
  if (mode == StepMode::kReplay) {
    replay(numbers);
    gradients_ = recording_->gradients;
    ++replayed_;
    return recording_->loss.item<double>();
  }
  if (mode != StepMode::kCheck)
    recording_.reset();  // of steps that are gone
  const double loss = run_plain(pass);
  if (mode == StepMode::kCapture)
    record(std::move(chunk), numbers, pass);
  else if (mode == StepMode::kCheck)
    check(numbers);
  if (schedule_.refused())
    recording_.reset();
  return loss;
}

}  // namespace regatta
