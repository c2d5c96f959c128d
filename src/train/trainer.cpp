#include "train/trainer.h"

#include "comm/watched_communicator.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/process_memory.h"
#include "core/timer.h"
#include "nn/model.h"
#include "train/assignment.h"
#include "train/memory_model.h"
#include "train/model_checkpoint.h"
#include "train/phase_report.h"
#include "train/rank_agreement.h"

#include <torch/types.h>

namespace regatta {
namespace {

/// What ranks agree on with each step's gradients; the larger wins.
constexpr std::int64_t kCheckpoint = 1, kStop = 2;

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
      watched_world_(watch_communicator(world, progress_)),
      world_(*watched_world_),
      runtime_(make_runtime(job.runtime, world_)) {
  if (runtime_.nccl != nullptr) {
    watched_gradients_ = watch_communicator(*runtime_.nccl, progress_);
    runtime_.gradients = watched_gradients_.get();
  }
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
      model_->tensors(),
      *runtime_.gradients,
      ReducerOptions{job_.runtime.bucket_kib << 10, job_.train.reduction == "reproducible", 1});
  store_ = std::make_unique<BatchStore>(dataset_,
                                        task_.get(),
                                        BatchStoreSettings{model_->num_layers(),
                                                           runtime_.placement,
                                                           cache_bytes(),
                                                           static_cast<int>(job_.runtime.prefetch),
                                                           runtime_.copies});
  costs_.emplace(chunk_loads(manifest, *task_, job_.task.target));
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

std::int64_t Trainer::cache_bytes() const {
  const Manifest& manifest = dataset_->manifest();
  const MemoryModel memory = memory_model(job_, manifest, *model_, task_->output_width());
  return chunk_cache_bytes(job_.runtime, manifest, memory, resident_mib());
}

std::vector<Step> Trainer::plan(std::uint64_t epoch) const {
  return make_plan(costs_->loads(),
                   job_.train.step,
                   uniform_weights_,
                   static_cast<std::uint64_t>(job_.train.seed),
                   epoch);
}

std::vector<std::size_t> Trainer::share_of_rank(const Step& step) const {
  return assign(step, world_.size())[static_cast<std::size_t>(world_.rank())];
}

std::vector<std::int64_t> Trainer::chunks_of_epoch(const std::vector<Step>& steps) const {
  std::vector<std::int64_t> order;
  for (const Step& step : steps) {
    for (const std::size_t i : share_of_rank(step)) order.push_back(step.micro_batches[i].chunk);
  }
  return order;
}

void Trainer::announce_epoch(const std::vector<Step>& steps) {
  announce(chunks_of_epoch(steps));
}

void Trainer::announce(std::vector<std::int64_t> chunks) {
  announced_ = std::move(chunks);
  taken_ = 0;
  store_->begin(announced_);
}

void Trainer::take_back(std::size_t count) {
  announced_.erase(announced_.begin(),
                   announced_.begin() + static_cast<std::ptrdiff_t>(taken_ - count));
  announce(std::move(announced_));
}

EpochReport Trainer::train_epoch(std::int64_t epoch) {
  const Timer timer;
  const std::vector<Step> steps = plan(static_cast<std::uint64_t>(epoch));
  const auto done = std::min(static_cast<std::size_t>(state_.epoch_step), steps.size());
  EpochReport report;
  report.epoch = epoch + 1;
  report.epochs = job_.train.epochs;
  report.learning_rate = learning_rate(job_.train.schedule,
                                       state_.schedule,
                                       job_.train.optimiser.learning_rate,
                                       epoch,
                                       job_.train.epochs);
  optimiser_->set_learning_rate(report.learning_rate);
  if (status_)
    status_->epoch(report.epoch, static_cast<std::int64_t>(steps.size()));
  announce_epoch({steps.begin() + static_cast<std::ptrdiff_t>(done), steps.end()});
  for (std::size_t s = done; s < steps.size(); ++s) {
    const double weight = steps[s].weight >= 0 ? steps[s].weight : 1;
    reducer_->request(request_of_rank());
    const double loss = train_step(steps[s], static_cast<std::uint64_t>(epoch));
    state_.epoch_loss += weight * loss;
    state_.epoch_weight += weight;
    ++state_.epoch_step;
    if (status_)
      status_->step(state_.epoch_step, state_.step, loss);
    log_->progress(
        report.epoch, static_cast<std::int64_t>(s + 1), static_cast<std::int64_t>(steps.size()));
    after_step();
  }
  report.loss = state_.epoch_loss / state_.epoch_weight;
  report.steps = state_.step;
  report.grad_norm = last_grad_norm_;
  report.seconds = timer.seconds();
  return report;
}

std::int64_t Trainer::request_of_rank() const {
  if (stop_ != nullptr && stop_->requested())
    return kStop;
  return checkpoints_->due_by_time() ? kCheckpoint : 0;
}

/// All ranks have agreed on the request with the step's gradients, so all act after the same step.
void Trainer::after_step() {
  const std::int64_t request = reducer_->agreed_request();
  if (request >= kCheckpoint || checkpoints_->due_by_steps(state_))
    save_checkpoint();
  if (request < kStop)
    return;
  checkpoints_->wait();
  watchdog_->close();
  if (status_)
    status_->end("stopped");
  fail(ExitCode::kRequeue,
       "stopped after step {} on request{}; the checkpoint is {}/checkpoints/last: go on with "
       "--resume",
       state_.step,
       stop_ != nullptr && stop_->requested() ? fmt::format(" ({})", stop_->reason()) : "",
       folder_);
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
  const PhaseScope scope(progress_, Phase::kEvaluate);
  const SplitMetrics metrics =
      evaluate_model(*model_, *task_, *store_, {Split::kValidation}, costs_->by_chunk(), world_);
  report.validation = metrics[static_cast<std::size_t>(Split::kValidation)];
  observe_validation(job_.train.schedule, state_.schedule, report.validation->loss);
  if (status_)
    status_->validation(report.validation->loss, report.validation->accuracy);
  if (state_.early_stopping.observe(*report.validation, report.epoch, job_.train.evaluate_every)) {
    keep_best();
  }
}

void Trainer::save_checkpoint() {
  const PhaseScope scope(progress_, Phase::kCheckpoint);
  state_.shifts = reducer_->shifts();
  state_.seconds = seconds_before_ + since_start_.seconds();
  checkpoints_->save(state_, model_checkpoint_tensors(*model_), *optimiser_, best_);
}

void Trainer::start(bool resume) {
  check_ranks_alike(rank_properties(job_, dataset_->manifest()), world_);
  const auto description = describe_training(job_, dataset_->manifest(), task_->class_names());
  checkpoints_ = std::make_unique<TrainingCheckpoints>(folder_, description, job_.train, world_);
  if (const auto checkpoint = checkpoints_->open(resume)) {
    const std::string where = folder_ + "/checkpoints";
    state_ = training_state_from_json(checkpoint->state, where);
    load_model_tensors(*model_, checkpoint->model, where);
    optimiser_->load(checkpoint->optimizer);
    best_ = checkpoint->best;
    if (!state_.shifts.empty())
      reducer_->restore_shifts(state_.shifts);
    log::info("resumed after epoch {} and {} steps of the next", state_.epoch, state_.epoch_step);
  } else {
    if (resume)
      log::info("{} has no checkpoint yet: the training starts anew", folder_);
    if (!job_.train.init_from.empty()) {
      const std::string from = checkpoint_folder(job_.train.init_from);
      load_model_tensors(*model_, read_checkpoint(from).model, from);
    }
  }
  broadcast_parameters(model_->tensors(), world_);
  warn_of_idle_ranks(plan(0), world_);
  log_ = std::make_unique<MetricsLog>(folder_, world_.rank() == 0, state_.epoch);
  seconds_before_ = state_.seconds;
  since_start_.restart();
}

void Trainer::start_watchdog() {
  const RuntimeOptions& runtime = job_.runtime;
  if (world_.rank() == 0) {
    status_ = std::make_unique<StatusFile>(folder_ + "/status.json");
    status_->plan(job_.train.epochs);
  }
  watchdog_ = std::make_unique<Watchdog>(
      world_,
      progress_,
      WatchdogLimits{runtime.watchdog_s, runtime.watchdog_storage_s, runtime.watchdog_compute_s},
      fmt::format("{}/watchdog/rank-{}.txt", folder_, world_.rank()),
      [this](const std::vector<RankHeartbeat>& table) {
        if (status_)
          status_->ranks(table);
      });
}

RunSummary Trainer::run(bool resume) {
  make_folders(folder_ + "/checkpoints");
  start_watchdog();
  try {
    RunSummary summary = train_to_the_end(resume);
    watchdog_->close();
    if (status_)
      status_->end("finished");
    return summary;
  } catch (const Error& error) {
    if (status_ && error.code() != ExitCode::kRequeue)
      status_->end("failed");
    throw;
  }
}

/// Seldom: the costs of chunks hardly change, and ranks that have just got others read them anew.
void Trainer::share_costs() {
  const std::int64_t epochs = ++epochs_here_;
  const bool due = epochs <= 64 ? (epochs & (epochs - 1)) == 0 : epochs % 64 == 0;
  if (!due || !costs_->share(plan(static_cast<std::uint64_t>(state_.epoch)), world_))
    return;
  log::info("epoch {}: chunks are shared out anew, by measured times", state_.epoch);
  std::vector<std::int64_t> mine = chunks_of_epoch(plan(static_cast<std::uint64_t>(state_.epoch)));
  const std::vector<std::int64_t> evaluated = chunks_of_rank(costs_->by_chunk(), world_);
  mine.insert(mine.end(), evaluated.begin(), evaluated.end());
  store_->keep_only(mine);
}

RunSummary Trainer::train_to_the_end(bool resume) {
  const std::int64_t resident = resident_mib();
  start(resume);
  while (state_.epoch < job_.train.epochs &&
         !state_.early_stopping.should_stop(job_.train.patience)) {
    EpochReport report = train_epoch(state_.epoch);
    ++state_.epoch;
    state_.epoch_step = 0;
    state_.epoch_loss = state_.epoch_weight = 0;
    validate(report);
    log_->epoch(report);
    share_costs();
    if (state_.epoch % job_.train.checkpoint_every == 0)
      save_checkpoint();
  }
  if (best_.empty() || !has_validation_)
    keep_best();
  save_checkpoint();
  checkpoints_->wait();
  RunSummary summary = finish();
  summary.resident_mib_before_data = resident;
  if (world_.rank() == 0) {
    replace_file(folder_ + "/summary.json", summary_to_json(summary).dump(2) + "\n");
  }
  return summary;
}

RunSummary Trainer::finish() {
  load_model_tensors(*model_, best_, "the best model");
  const Phase before = progress_.enter(Phase::kEvaluate);
  const SplitMetrics metrics = evaluate_model(*model_,
                                              *task_,
                                              *store_,
                                              {Split::kTrain, Split::kValidation, Split::kTest},
                                              costs_->by_chunk(),
                                              world_);
  progress_.enter(before);
  const PhaseSeconds phases = gather_phase_seconds(progress_.seconds(), world_);
  log::info("time by phase:\n{}", phase_table(phases));
  RunSummary summary;
  summary.phases = phase_report(phases);
  summary.peak_mib = world_.all_reduce_max(peak_resident_mib());
  summary.cached_mib = store_->cached_bytes() >> 20;
  if (const auto limit = job_.runtime.memory_limit_mib; limit > 0 && summary.peak_mib > limit)
    log::warn("a rank's memory reached {} MiB, more than runtime.memory_limit_mib: {}",
              summary.peak_mib,
              limit);
  summary.train = metrics[static_cast<std::size_t>(Split::kTrain)];
  summary.validation = metrics[static_cast<std::size_t>(Split::kValidation)];
  summary.test = metrics[static_cast<std::size_t>(Split::kTest)];
  summary.best_epoch = state_.early_stopping.best_epoch;
  summary.epochs = state_.epoch;
  summary.steps = state_.step;
  summary.seconds = state_.seconds;
  summary.data_stall_seconds = store_->stall_seconds();
  summary.reduce_wait_seconds = reducer_->wait_seconds();
  summary.repeated_steps = reducer_->repeated_steps();
  summary.checkpoint_wait_seconds = checkpoints_->wait_seconds();
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
