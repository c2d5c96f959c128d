// Trainer: holds the parts of one training; its step reads like the picture in
// docs/architecture.md.
#pragma once

#include "comm/communicator.h"
#include "nn/model.h"
#include "reducer/gradient_reducer.h"
#include "tasks/task.h"
#include "train/batch_store.h"
#include "train/captured_step.h"
#include "train/evaluator.h"
#include "train/metrics_log.h"
#include "train/optimisers.h"
#include "train/plan.h"
#include "train/run_summary.h"
#include "train/runtime.h"
#include "train/training_state.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace regatta {

/// One training of one seed, collective over the ranks of `world`. Results do not depend on the
/// number of ranks beyond rounding of floating-point sums.
class Trainer {
 public:
  /// `folder` gets metrics.jsonl, summary.json and checkpoints/{best,last}. Throws Error as its
  /// parts do.
  Trainer(const TrainJob& job,
          std::shared_ptr<const Dataset> dataset,
          std::string folder,
          Communicator& world);
  ~Trainer();

  /// Trains to the end (or goes on from checkpoints/last with `resume`), writes the results and
  /// returns them.
  RunSummary run(bool resume);

  /// The step's loss over all ranks, with the summed gradients in the parameters; no optimiser
  /// step. The epoch's chunks must have been announced.
  double gradients_of_step(const Step& step, std::uint64_t epoch);
  /// Tells the reader which chunks this rank will use, in order.
  void announce_epoch(const std::vector<Step>& steps);
  /// gradients_of_step, finite check, clipping and the optimiser; returns the loss.
  double train_step(const Step& step, std::uint64_t epoch);
  std::vector<Step> plan(std::uint64_t epoch) const;
  Model& model() { return *model_; }
  std::int64_t replayed_steps() const { return captured_ ? captured_->replayed() : 0; }

 private:
  void start(bool resume);
  /// The announced chunk, or the range of it that `micro` is.
  std::shared_ptr<const PreparedChunk> take(const MicroBatch& micro, std::uint64_t epoch);
  /// Forward, loss sum and backward of 1/weight of it; returns the sum, not yet waited for.
  at::Tensor forward_and_backward(const PreparedChunk& part,
                                  double weight,
                                  const DropoutKeys* keys);
  double backward_micro_batch(const MicroBatch& micro, double weight, std::uint64_t epoch);
  /// The same by captured_; leaves the gradients to the reducer.
  double backward_captured(const MicroBatch& micro, double weight, std::uint64_t epoch);
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
  void save_checkpoints();
  RunSummary finish();

  TrainJob job_;
  std::shared_ptr<const Dataset> dataset_;
  std::string folder_;
  Communicator& world_;
  Runtime runtime_;
  std::unique_ptr<Task> task_;
  std::shared_ptr<Model> model_;
  std::unique_ptr<Optimiser> optimiser_;
  std::unique_ptr<GradientReducer> reducer_;
  std::unique_ptr<BatchStore> store_;
  std::unique_ptr<CapturedStep> captured_;  ///< null where steps are launched kernel by kernel
  bool capture_refused_ = false;            ///< told, and captured_ is not asked any more
  std::unique_ptr<MetricsLog> log_;
  std::vector<ChunkLoad> loads_;
  std::map<std::int64_t, TargetRows> training_targets_;
  bool uniform_weights_ = true;
  bool has_validation_ = false;
  TrainingState state_;
  NamedTensors best_;
  double last_grad_norm_ = 0;
};

/// What each chunk brings to the training, from the manifest alone.
std::vector<ChunkLoad> chunk_loads(const Manifest& manifest,
                                   const Task& task,
                                   const std::string& target);

}  // namespace regatta
