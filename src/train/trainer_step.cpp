// One optimiser step of a Trainer: micro-batches, gradients, finite check, optimiser.
#include "comm/gather_texts.h"
#include "comm/reproducible_sum.h"
#include "core/cuda_library.h"
#include "core/error.h"
#include "core/log.h"
#include "nn/model.h"
#include "train/gradient_norm.h"
#include "train/trainer.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include <cmath>

namespace regatta {
namespace {

constexpr std::size_t kFirstLosses = 10;

}  // namespace

const TargetRows& Trainer::training_targets(std::int64_t chunk) {
  const auto found = training_targets_.find(chunk);
  if (found != training_targets_.end())
    return found->second;
  const auto read = dataset_->read_chunk(chunk);
  return training_targets_[chunk] = target_rows(
             task_->target_of(*read), Split::kTrain, task_->split_index(), at::Device(at::kCPU));
}

double Trainer::global_weight(const Step& step,
                              const std::vector<std::size_t>& mine,
                              std::uint64_t epoch) {
  if (step.weight >= 0)
    return step.weight;
  std::vector<double> weights;
  for (const std::size_t i : mine) {
    const MicroBatch& micro = step.micro_batches[i];
    const TargetRows& rows = training_targets(micro.chunk);
    const auto order =
        target_order(rows.count(), static_cast<std::uint64_t>(job_.train.seed), epoch, micro.chunk);
    const std::vector<std::int64_t> chosen(order.begin() + micro.first,
                                           order.begin() + micro.first + micro.count);
    const at::Tensor index = torch::tensor(chosen, torch::kInt64);
    weights.push_back(
        task_->weight_sum({rows.row.index_select(0, index), rows.label.index_select(0, index)}));
  }
  return reproducible_sum(weights, world_);
}

std::shared_ptr<const PreparedChunk> Trainer::take(const MicroBatch& micro, std::uint64_t epoch) {
  const PhaseScope scope(progress_, Phase::kRead);
  std::shared_ptr<const PreparedChunk> part = store_->next();
  ++taken_;
  if (micro.whole)
    return part;
  const auto order = target_order(part->targets[static_cast<std::size_t>(Split::kTrain)].count(),
                                  static_cast<std::uint64_t>(job_.train.seed),
                                  epoch,
                                  micro.chunk);
  return std::make_shared<PreparedChunk>(store_->range(*part, micro, order));
}

at::Tensor Trainer::forward_and_backward(const PreparedChunk& part,
                                         double weight,
                                         const DropoutKeys* keys) {
  PassContext pass{&part.batch,
                   true,
                   static_cast<std::uint64_t>(job_.train.seed),
                   static_cast<std::uint64_t>(state_.step),
                   nullptr,
                   keys};
  const PhaseScope scope(progress_, Phase::kForward);
  const at::Tensor logits = forward_all(*model_, pass);
  const at::Tensor loss =
      task_->loss_sum(logits, part.targets[static_cast<std::size_t>(Split::kTrain)]);
  progress_.enter(Phase::kBackward);
  loss.backward(torch::full({}, 1 / weight, loss.options().requires_grad(false)));
  return loss;
}

double Trainer::backward_micro_batch(const MicroBatch& micro, double weight, std::uint64_t epoch) {
  const std::shared_ptr<const PreparedChunk> part = take(micro, epoch);
  const Timer timer;
  const double loss = forward_and_backward(*part, weight, nullptr).item<double>() / weight;
  costs_->note(micro, timer.seconds());
  return loss;
}

void Trainer::prepare_capture() {
  const CudaPlugin* plugin = runtime_.placement.device.is_cpu() ? nullptr : cuda_plugin();
  if (plugin == nullptr)
    return;
  std::vector<std::vector<MicroBatch>> mine;
  for (const Step& step : plan(0)) {
    mine.emplace_back();
    for (const std::size_t i : share_of_rank(step)) mine.back().push_back(step.micro_batches[i]);
  }
  const std::string obstacle = capture_obstacle(job_, mine);
  if (!obstacle.empty()) {
    log::info("rank {}: steps are launched kernel by kernel: {}", world_.rank(), obstacle);
    return;
  }
  captured_ = std::make_unique<CapturedStep>(
      model_->tensors(), DropoutKeys(model_->num_layers(), runtime_.placement.device), [plugin] {
        return std::unique_ptr<DeviceGraph>(plugin->make_graph());
      });
}

double Trainer::backward_captured(const MicroBatch& micro, double weight, std::uint64_t epoch) {
  const std::shared_ptr<const PreparedChunk> part = take(micro, epoch);
  const StepNumbers numbers{static_cast<std::uint64_t>(job_.train.seed),
                            static_cast<std::uint64_t>(state_.step)};
  const double loss = captured_->run(part, weight, numbers, [&](const DropoutKeys* keys) {
    return forward_and_backward(*part, weight, keys);
  });
  if (!captured_->refusal().empty() && !capture_refused_) {
    capture_refused_ = true;
    log::info("rank {}: from step {} on, kernels are launched one by one: {}",
              world_.rank(),
              state_.step + 1,
              captured_->refusal());
  }
  return loss / weight;
}

double Trainer::gradients_of_step(const Step& step, std::uint64_t epoch) {
  const std::vector<std::size_t> mine = share_of_rank(step);
  const double weight = global_weight(step, mine, epoch);
  if (captured_ != nullptr && !capture_refused_) {
    sum_captured(step, backward_captured(step.micro_batches[mine.front()], weight, epoch));
  } else {
    while (!try_gradients(step, mine, weight, epoch)) take_back(mine.size());
  }
  return reducer_->scalars()[0];
}

bool Trainer::try_gradients(const Step& step,
                            const std::vector<std::size_t>& mine,
                            double weight,
                            std::uint64_t epoch) {
  reducer_->begin(static_cast<std::int64_t>(mine.size()),
                  static_cast<std::int64_t>(step.micro_batches.size()));
  for (const std::size_t i : mine) {
    const double loss = backward_micro_batch(step.micro_batches[i], weight, epoch);
    reducer_->micro_batch_done({&loss, 1});
  }
  const PhaseScope scope(progress_, Phase::kReduce);
  return reducer_->finish();
}

void Trainer::sum_captured(const Step& step, double loss) {
  const std::vector<at::Tensor> parameters = model_->tensors();
  do {
    reducer_->begin(1, static_cast<std::int64_t>(step.micro_batches.size()));
    for (std::size_t p = 0; p < parameters.size(); ++p)
      parameters[p].mutable_grad() = captured_->gradients()[p];
    reducer_->micro_batch_done({&loss, 1});
  } while (!reducer_->finish());
}

std::string Trainer::first_fault(const Step& step, std::uint64_t epoch) {
  const torch::NoGradGuard no_grad;
  FiniteTrace trace;
  for (const auto& [name, parameter] : model_->named()) trace.see(-1, name, parameter);
  const std::vector<std::size_t> mine = share_of_rank(step);
  std::vector<std::int64_t> chunks;
  for (const std::size_t i : mine) chunks.push_back(step.micro_batches[i].chunk);
  announce(chunks);
  for (const std::size_t i : mine) {
    const auto part = take(step.micro_batches[i], epoch);
    PassContext pass{&part->batch,
                     true,
                     static_cast<std::uint64_t>(job_.train.seed),
                     static_cast<std::uint64_t>(state_.step),
                     &trace};
    trace.see(-1, "logits of the model", forward_all(*model_, pass));
  }
  for (const std::string& fault : gather_texts(trace.fault(), world_)) {
    if (!fault.empty())
      return fault;
  }
  return "";
}

/// All ranks hold the same loss and gradients here, so they decide alike without a message.
bool Trainer::finite_everywhere(double loss, const Step& step, std::uint64_t epoch) {
  last_grad_norm_ = gradient_norm(model_->tensors());
  if (std::isfinite(loss) && std::isfinite(last_grad_norm_))
    return true;
  FiniteTrace gradients;
  for (const auto& [name, parameter] : model_->named())
    gradients.see(-1, "gradient of " + name, parameter.grad());
  std::string culprit = gradients.fault();
  if (culprit.empty())
    culprit = std::isfinite(loss) ? "the norm of the gradients overflows" : "the loss overflows";
  if (job_.train.on_non_finite == "stop") {
    const std::string forward = first_fault(step, epoch);
    fail(ExitCode::kNonFinite,
         "step {}: not finite (loss {}): {}; lower train.optimiser.learning_rate, set "
         "train.clip_norm, or skip such steps with train.on_non_finite: skip",
         state_.step + 1,
         loss,
         forward.empty() ? culprit : forward);
  }
  if (world_.rank() == 0)
    log::warn("step {}: {}; the step is skipped", state_.step + 1, culprit);
  return false;
}

void Trainer::apply_gradients() {
  const double limit = job_.train.clip_norm;
  if (limit > 0 && last_grad_norm_ > limit) {
    const torch::NoGradGuard no_grad;
    for (at::Tensor parameter : model_->tensors()) {
      if (parameter.grad().defined())
        parameter.mutable_grad().mul_(limit / last_grad_norm_);
    }
  }
  optimiser_->step();
}

double Trainer::train_step(const Step& step, std::uint64_t epoch) {
  const double loss = gradients_of_step(step, epoch);
  const PhaseScope scope(progress_, Phase::kOptimise);
  if (finite_everywhere(loss, step, epoch))
    apply_gradients();
  if (state_.first_losses.size() < kFirstLosses)
    state_.first_losses.push_back(loss);
  ++state_.step;
  progress_.step_done(state_.step);
  return loss;
}

}  // namespace regatta
