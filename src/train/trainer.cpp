#include "train/trainer.h"

#include "core/cuda_library.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/process_memory.h"
#include "core/timer.h"
#include "train/assignment.h"
#include "train/gradient_norm.h"
#include "train/model_checkpoint.h"

#include <torch/torch.h>

#include <cmath>

namespace regatta {
namespace {

constexpr std::size_t kFirstLosses = 10;

void warn_of_idle_ranks(const std::vector<Step>& steps, const Communicator& world) {
  std::size_t most = 0;
  for (const Step& step : steps) most = std::max(most, step.micro_batches.size());
  if (static_cast<std::size_t>(world.size()) <= most || world.rank() != 0)
    return;
  log::warn(
      "{} ranks share steps of at most {} micro-batches, so {} ranks have no work; preprocess into "
      "at "
      "least {} chunks or start fewer ranks",
      world.size(),
      most,
      static_cast<std::size_t>(world.size()) - most,
      world.size());
}

}  // namespace

std::vector<ChunkLoad> chunk_loads(const Manifest& manifest,
                                   const Task& task,
                                   const std::string& target) {
  std::vector<ChunkLoad> loads;
  for (std::size_t c = 0; c < manifest.chunks.size(); ++c) {
    const ManifestChunk& chunk = manifest.chunks[c];
    ChunkLoad load;
    load.chunk = static_cast<std::int64_t>(c);
    load.weight = task.weight_sum(chunk, Split::kTrain);
    load.cost = chunk_cost(chunk);
    load.targets = count_of_split(chunk, target, Split::kTrain);
    loads.push_back(load);
  }
  return loads;
}

Trainer::Trainer(const TrainJob& job,
                 std::shared_ptr<const Dataset> dataset,
                 std::string folder,
                 Communicator& world)
    : job_(job),
      dataset_(std::move(dataset)),
      folder_(std::move(folder)),
      world_(world),
      runtime_(make_runtime(job.runtime, world)) {
  const Manifest& manifest = dataset_->manifest();
  task_ = make_task(job_.task, manifest);
  const auto seed = static_cast<std::uint64_t>(job_.train.seed);
  check_model_fits(job_.model, manifest.chunks.size(), job_.train.step.full());
  model_ = std::make_shared<Model>(
      job_.model, model_shape(manifest, task_->output_width(), seed, runtime_.placement.dtype));
  runtime_.placement.relations = model_->relations();
  model_->to(runtime_.placement.device);
  optimiser_ = make_optimiser(job_.train.optimiser, model_->named());
  reducer_ = std::make_unique<GradientReducer>(
      model_->tensors(), *runtime_.gradients, ReducerOptions{job_.runtime.bucket_kib << 10});
  store_ = std::make_unique<BatchStore>(dataset_,
                                        task_.get(),
                                        BatchStoreSettings{model_->num_layers(),
                                                           runtime_.placement,
                                                           job_.runtime.chunk_cache_mib << 20,
                                                           static_cast<int>(job_.runtime.prefetch),
                                                           runtime_.copies});
  loads_ = chunk_loads(manifest, *task_, job_.task.target);
  uniform_weights_ = job_.task.class_weights == "none";
  for (const ManifestChunk& chunk : manifest.chunks) {
    has_validation_ =
        has_validation_ || count_of_split(chunk, job_.task.target, Split::kValidation) > 0;
  }
  if (job_.train.optimiser.kind == "gradient_descent" && !job_.train.step.full()) {
    fail(ExitCode::kUsage, "train.optimiser.kind: gradient_descent needs train.step: full");
  }
  if (job_.train.step.chunks > 0 && job_.train.step.targets > 0) {
    fail(ExitCode::kUsage, "train.step: give either chunks or targets, not both");
  }
  if (plan(0).empty()) {
    fail(ExitCode::kData,
         "{}: target '{}' has no training nodes; give the dataset a split with 'train'",
         dataset_->folder(),
         job_.task.target);
  }
  prepare_capture();
}

Trainer::~Trainer() = default;

std::vector<Step> Trainer::plan(std::uint64_t epoch) const {
  return make_plan(loads_,
                   job_.train.step,
                   uniform_weights_,
                   static_cast<std::uint64_t>(job_.train.seed),
                   epoch);
}

void Trainer::announce_epoch(const std::vector<Step>& steps) {
  std::vector<std::int64_t> order;
  for (const Step& step : steps) {
    const auto parts = assign(step, world_.size());
    for (const std::size_t i : parts[static_cast<std::size_t>(world_.rank())]) {
      order.push_back(step.micro_batches[i].chunk);
    }
  }
  store_->begin(order);
}

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
  double sum = 0;
  for (const std::size_t i : mine) {
    const MicroBatch& micro = step.micro_batches[i];
    const TargetRows& rows = training_targets(micro.chunk);
    const auto order =
        target_order(rows.count(), static_cast<std::uint64_t>(job_.train.seed), epoch, micro.chunk);
    const std::vector<std::int64_t> chosen(order.begin() + micro.first,
                                           order.begin() + micro.first + micro.count);
    const at::Tensor index = torch::tensor(chosen, torch::kInt64);
    sum += task_->weight_sum({rows.row.index_select(0, index), rows.label.index_select(0, index)});
  }
  world_.all_reduce_sum(std::span<double>(&sum, 1));
  return sum;
}

std::shared_ptr<const PreparedChunk> Trainer::take(const MicroBatch& micro, std::uint64_t epoch) {
  std::shared_ptr<const PreparedChunk> part = store_->next();
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
  const at::Tensor logits = forward_all(*model_, pass);
  const at::Tensor loss =
      task_->loss_sum(logits, part.targets[static_cast<std::size_t>(Split::kTrain)]);
  loss.backward(torch::full({}, 1 / weight, loss.options().requires_grad(false)));
  return loss;
}

double Trainer::backward_micro_batch(const MicroBatch& micro, double weight, std::uint64_t epoch) {
  const std::shared_ptr<const PreparedChunk> part = take(micro, epoch);
  return forward_and_backward(*part, weight, nullptr).item<double>() / weight;
}

void Trainer::prepare_capture() {
  const CudaPlugin* plugin = runtime_.placement.device.is_cpu() ? nullptr : cuda_plugin();
  if (plugin == nullptr)
    return;
  std::vector<std::vector<MicroBatch>> mine;
  for (const Step& step : plan(0)) {
    mine.emplace_back();
    for (const std::size_t i : assign(step, world_.size())[static_cast<std::size_t>(world_.rank())])
      mine.back().push_back(step.micro_batches[i]);
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
  const auto parts = assign(step, world_.size());
  const auto& mine = parts[static_cast<std::size_t>(world_.rank())];
  const double weight = global_weight(step, mine, epoch);
  optimiser_->zero_grad();
  double loss = 0;
  if (captured_ != nullptr && !capture_refused_) {
    loss = backward_captured(step.micro_batches[mine.front()], weight, epoch);
    reducer_->begin(1);
    const std::vector<at::Tensor> parameters = model_->tensors();
    for (std::size_t i = 0; i < parameters.size(); ++i)
      parameters[i].mutable_grad() = captured_->gradients()[i];
    reducer_->micro_batch_done();
    reducer_->finish();
    world_.all_reduce_sum(std::span<double>(&loss, 1));
    return loss;
  }
  reducer_->begin(static_cast<std::int64_t>(mine.size()));
  for (const std::size_t i : mine) {
    loss += backward_micro_batch(step.micro_batches[i], weight, epoch);
    reducer_->micro_batch_done();
  }
  reducer_->finish();
  world_.all_reduce_sum(std::span<double>(&loss, 1));
  return loss;
}

std::string Trainer::first_fault(const Step& step, std::uint64_t epoch) {
  const torch::NoGradGuard no_grad;
  FiniteTrace trace;
  for (const auto& [name, parameter] : model_->named()) trace.see(-1, name, parameter);
  const auto parts = assign(step, world_.size());
  const auto& mine = parts[static_cast<std::size_t>(world_.rank())];
  std::vector<std::int64_t> chunks;
  for (const std::size_t i : mine) chunks.push_back(step.micro_batches[i].chunk);
  store_->begin(chunks);
  for (const std::size_t i : mine) {
    const auto part = take(step.micro_batches[i], epoch);
    PassContext pass{&part->batch,
                     true,
                     static_cast<std::uint64_t>(job_.train.seed),
                     static_cast<std::uint64_t>(state_.step),
                     &trace};
    trace.see(-1, "logits of the model", forward_all(*model_, pass));
  }
  const std::string& found = trace.fault();
  for (const auto& text :
       world_.all_gather(std::as_bytes(std::span<const char>(found.data(), found.size())))) {
    if (!text.empty())
      return {reinterpret_cast<const char*>(text.data()), text.size()};
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
  if (finite_everywhere(loss, step, epoch))
    apply_gradients();
  if (state_.first_losses.size() < kFirstLosses)
    state_.first_losses.push_back(loss);
  ++state_.step;
  return loss;
}

EpochReport Trainer::train_epoch(std::int64_t epoch) {
  const Timer timer;
  const std::vector<Step> steps = plan(static_cast<std::uint64_t>(epoch));
  EpochReport report;
  report.epoch = epoch + 1;
  report.epochs = job_.train.epochs;
  report.learning_rate = learning_rate(job_.train.schedule,
                                       state_.schedule,
                                       job_.train.optimiser.learning_rate,
                                       epoch,
                                       job_.train.epochs);
  optimiser_->set_learning_rate(report.learning_rate);
  announce_epoch(steps);
  double loss_sum = 0, weight_sum = 0;
  for (std::size_t s = 0; s < steps.size(); ++s) {
    const double weight = steps[s].weight >= 0 ? steps[s].weight : 1;
    loss_sum += weight * train_step(steps[s], static_cast<std::uint64_t>(epoch));
    weight_sum += weight;
    log_->progress(
        report.epoch, static_cast<std::int64_t>(s + 1), static_cast<std::int64_t>(steps.size()));
  }
  report.loss = loss_sum / weight_sum;
  report.steps = state_.step;
  report.grad_norm = last_grad_norm_;
  report.seconds = timer.seconds();
  return report;
}

void Trainer::keep_best() {
  best_.clear();
  for (const auto& [name, parameter] : model_->named()) {
    best_.emplace_back(name, parameter.detach().cpu().clone());
  }
}

void Trainer::validate(EpochReport& report) {
  const bool last = report.epoch == job_.train.epochs;
  if (!has_validation_) {
    state_.early_stopping.best_epoch = report.epoch;
    return;
  }
  if (report.epoch % job_.train.evaluate_every != 0 && !last)
    return;
  const SplitMetrics metrics =
      evaluate_model(*model_, *task_, *store_, {Split::kValidation}, world_);
  report.validation = metrics[static_cast<std::size_t>(Split::kValidation)];
  observe_validation(job_.train.schedule, state_.schedule, report.validation->loss);
  if (state_.early_stopping.observe(*report.validation, report.epoch, job_.train.evaluate_every)) {
    keep_best();
  }
}

void Trainer::save_checkpoints() {
  if (best_.empty() || !has_validation_)
    keep_best();
  const std::string digest = tensors_digest(model_checkpoint_tensors(*model_));
  check_ranks_agree(digest, world_);
  if (world_.rank() == 0) {
    Checkpoint checkpoint;
    checkpoint.state = describe_training(job_, dataset_->manifest(), task_->class_names());
    checkpoint.state["training"] = training_state_to_json(state_);
    checkpoint.model = best_;
    write_checkpoint(folder_ + "/checkpoints/best", checkpoint);
    checkpoint.model = model_checkpoint_tensors(*model_);
    checkpoint.optimizer = optimiser_->state();
    write_checkpoint(folder_ + "/checkpoints/last", checkpoint);
  }
  world_.barrier();
}

void Trainer::start(bool resume) {
  make_folders(folder_ + "/checkpoints");
  const std::string last = folder_ + "/checkpoints/last";
  if (resume) {
    const Checkpoint checkpoint = read_checkpoint(last);
    check_resumable(checkpoint.state,
                    describe_training(job_, dataset_->manifest(), task_->class_names()),
                    last);
    state_ = training_state_from_json(checkpoint.state, last);
    load_model_tensors(*model_, checkpoint.model, last);
    optimiser_->load(checkpoint.optimizer);
    best_ = read_checkpoint(folder_ + "/checkpoints/best").model;
    log::info("resumed after epoch {} from {}", state_.epoch, last);
  } else if (!job_.train.init_from.empty()) {
    const std::string from = checkpoint_folder(job_.train.init_from);
    load_model_tensors(*model_, read_checkpoint(from).model, from);
  }
  broadcast_parameters(model_->tensors(), world_);
  warn_of_idle_ranks(plan(0), world_);
  log_ = std::make_unique<MetricsLog>(folder_, world_.rank() == 0, state_.epoch);
}

RunSummary Trainer::run(bool resume) {
  const std::int64_t resident = resident_mib();
  start(resume);
  const double seconds_before = state_.seconds;
  const Timer timer;
  while (state_.epoch < job_.train.epochs &&
         !state_.early_stopping.should_stop(job_.train.patience)) {
    EpochReport report = train_epoch(state_.epoch);
    ++state_.epoch;
    validate(report);
    log_->epoch(report);
    state_.seconds = seconds_before + timer.seconds();
    if (state_.epoch % job_.train.checkpoint_every == 0)
      save_checkpoints();
  }
  save_checkpoints();
  RunSummary summary = finish();
  summary.resident_mib_before_data = resident;
  if (world_.rank() == 0) {
    replace_file(folder_ + "/summary.json", summary_to_json(summary).dump(2) + "\n");
  }
  return summary;
}

RunSummary Trainer::finish() {
  load_model_tensors(*model_, best_, "the best model");
  const SplitMetrics metrics = evaluate_model(
      *model_, *task_, *store_, {Split::kTrain, Split::kValidation, Split::kTest}, world_);
  RunSummary summary;
  summary.train = metrics[static_cast<std::size_t>(Split::kTrain)];
  summary.validation = metrics[static_cast<std::size_t>(Split::kValidation)];
  summary.test = metrics[static_cast<std::size_t>(Split::kTest)];
  summary.best_epoch = state_.early_stopping.best_epoch;
  summary.epochs = state_.epoch;
  summary.steps = state_.step;
  summary.seconds = state_.seconds;
  summary.data_stall_seconds = store_->stall_seconds();
  summary.reduce_wait_seconds = reducer_->wait_seconds();
  summary.replayed_steps = replayed_steps();
  summary.world_size = world_.size();
  summary.threads = runtime_.threads;
  summary.chunks = dataset_->num_chunks();
  for (const at::Tensor& parameter : model_->tensors()) summary.parameters += parameter.numel();
  summary.device = runtime_.device_name;
  summary.seed = job_.train.seed;
  summary.model_digest = tensors_digest(best_);
  summary.first_losses = state_.first_losses;
  summary.versions = library_versions();
  return summary;
}

}  // namespace regatta
