// Trainer: holds the parts of one training; its step reads like the picture in
// docs/architecture.md.
#pragma once

#include "comm/communicator.h"
#include "comm/progress.h"
#include "comm/watchdog.h"
#include "core/timer.h"
#include "reducer/gradient_reducer.h"
#include "tasks/task.h"
#include "train/batch_store.h"
#include "train/captured_step.h"
#include "train/evaluator.h"
#include "train/measured_costs.h"
#include "train/metrics_log.h"
#include "train/optimisers.h"
#include "train/plan.h"
#include "train/run_summary.h"
#include "train/runtime.h"
#include "train/status_file.h"
#include "train/stop_request.h"
#include "train/training_checkpoints.h"
#include "train/training_state.h"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace regatta {

class Model;

/// One training of one seed, collective over the ranks of `world`. With train.reduction:
/// reproducible, results have the same bits for any number of ranks and threads.
class Trainer {
 public:
  /// `folder` gets metrics.jsonl, summary.json and checkpoints/. Throws Error as its parts do.
  Trainer(const TrainJob& job,
          std::shared_ptr<const Dataset> dataset,
          std::string folder,
          Communicator& world);
  ~Trainer();

  /// Trains to the end, writes the results and returns them. With `resume` it goes on from the
  /// folder's newest checkpoint, in the middle of an epoch too and on any number of ranks, as if
  /// it had never stopped; from the beginning where there is none.
  RunSummary run(bool resume);

  /// The step's loss over all ranks, with the summed gradients in the parameters; no optimiser
  /// step. The epoch's chunks must have been announced.
  double gradients_of_step(const Step& step, std::uint64_t epoch);
  /// Tells the reader which chunks this rank will use, in order.
  void announce_epoch(const std::vector<Step>& steps);
  /// gradients_of_step, finite check, clipping and the optimiser; returns the loss.
  double train_step(const Step& step, std::uint64_t epoch);
  std::vector<Step> plan(std::uint64_t epoch) const;
  /// Asked before each step: once one rank's is requested, all ranks write a checkpoint after that
  /// step and run() throws Error(kRequeue). Must outlive run().
  void stop_on(const StopRequest* request) { stop_ = request; }
  Model& model() { return *model_; }
  /// Of this rank so far, by phase.
  std::array<double, kPhases> phase_seconds() { return progress_.seconds(); }
  std::int64_t replayed_steps() const { return captured_ ? captured_->replayed() : 0; }

 private:
  void start(bool resume);
  void start_watchdog();
  /// Of prepared chunks that may stay in memory.
  std::int64_t cache_bytes() const;
  void share_costs();
  RunSummary train_to_the_end(bool resume);
  /// This rank's, in the order of their use.
  std::vector<std::int64_t> chunks_of_epoch(const std::vector<Step>& steps) const;
  /// The micro-batches of `step` that are this rank's.
  std::vector<std::size_t> share_of_rank(const Step& step) const;
  /// Gives the chunks that take() will hand out, in order.
  void announce(std::vector<std::int64_t> chunks);
  /// The last `count` chunks that were taken will be taken again.
  void take_back(std::size_t count);
  /// One attempt at gradients_of_step; false where the reducer asks for another.
  bool try_gradients(const Step& step,
                     const std::vector<std::size_t>& mine,
                     double weight,
                     std::uint64_t epoch);
  /// The announced chunk, or the range of it that `micro` is.
  std::shared_ptr<const PreparedChunk> take(const MicroBatch& micro, std::uint64_t epoch);
  /// Forward, loss sum and backward of 1/weight of it; returns the sum, not yet waited for.
  at::Tensor forward_and_backward(const PreparedChunk& part,
                                  double weight,
                                  const DropoutKeys* keys);
  double backward_micro_batch(const MicroBatch& micro, double weight, std::uint64_t epoch);
  /// The same by captured_, which keeps the gradients.
  double backward_captured(const MicroBatch& micro, double weight, std::uint64_t epoch);
  /// Sums captured_'s gradients and this rank's loss of the step.
  void sum_captured(const Step& step, double loss);
  void prepare_capture();
  double global_weight(const Step& step, const std::vector<std::size_t>& mine, std::uint64_t epoch);
  /// Training targets of a chunk, on the CPU, read once.
  const TargetRows& training_targets(std::int64_t chunk);
  bool finite_everywhere(double loss, const Step& step, std::uint64_t epoch);
  /// The first tensor that is not finite when `step` is computed again, by layer, name and shape;
  /// empty where the forward is finite. Collective.
  std::string first_fault(const Step& step, std::uint64_t epoch);
  void apply_gradients();
  EpochReport train_epoch(std::int64_t epoch);
  void validate(EpochReport& report);
  void keep_best();
  /// What this rank asks of all after the coming step.
  std::int64_t request_of_rank() const;
  /// Checkpoint or stop, where due; throws Error(kRequeue) on every rank after a stop.
  void after_step();
  void save_checkpoint();
  RunSummary finish();

  TrainJob job_;
  std::shared_ptr<const Dataset> dataset_;
  std::string folder_;
  Progress progress_;
  std::unique_ptr<Communicator> watched_world_, watched_gradients_;
  Communicator& world_;  ///< the watched one
  Runtime runtime_;
  std::unique_ptr<Task> task_;
  std::shared_ptr<Model> model_;
  std::unique_ptr<Optimiser> optimiser_;
  std::unique_ptr<GradientReducer> reducer_;
  std::unique_ptr<BatchStore> store_;
  std::unique_ptr<CapturedStep> captured_;  ///< null where steps are launched kernel by kernel
  bool capture_refused_ = false;            ///< told, and captured_ is not asked any more
  std::unique_ptr<MetricsLog> log_;
  std::optional<MeasuredCosts> costs_;
  std::int64_t epochs_here_ = 0;         ///< of this process
  std::vector<std::int64_t> announced_;  ///< chunks of this rank, in the order of use
  std::size_t taken_ = 0;                ///< of announced_
  std::map<std::int64_t, TargetRows> training_targets_;
  bool uniform_weights_ = true;
  bool has_validation_ = false;
  TrainingState state_;
  NamedTensors best_;
  std::unique_ptr<TrainingCheckpoints> checkpoints_;
  const StopRequest* stop_ = nullptr;
  std::unique_ptr<StatusFile> status_;  ///< rank 0
  std::unique_ptr<Watchdog> watchdog_;  ///< after all that it looks at
  double seconds_before_ = 0;           ///< of earlier attempts
  Timer since_start_;
  double last_grad_norm_ = 0;
};

/// What each chunk brings to the training, from the manifest alone.
std::vector<ChunkLoad> chunk_loads(const Manifest& manifest,
                                   const Task& task,
                                   const std::string& target);

}  // namespace regatta
