// What a training's checkpoints hold, when they are due, and where it goes on from.
#pragma once

#include "checkpoint/checkpoint.h"
#include "comm/communicator.h"
#include "core/timer.h"
#include "data/manifest.h"
#include "train/checkpoint_writer.h"
#include "train/optimisers.h"
#include "train/training_state.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace regatta {

/// Collective over the ranks of `world`; rank 0 alone writes, on a thread of its own.
class TrainingCheckpoints {
 public:
  /// `description`: describe_training() of the run.
  TrainingCheckpoints(std::string run_folder,
                      nlohmann::ordered_json description,
                      const TrainOptions& options,
                      Communicator& world);

  /// Opens a new attempt. With `resume` the run's newest checkpoint that is whole, the same on all
  /// ranks; empty where the run has none yet. Throws Error(kData, kUsage) where it belongs to
  /// another training.
  std::optional<Checkpoint> open(bool resume);

  /// Rank 0's clock: is one due by train.checkpoint_minutes?
  bool due_by_time() const;
  /// By the state alone, alike on all ranks: after this many steps?
  bool due_by_steps(const TrainingState& state) const;
  /// Starts to write. `best` may be empty; it is written for readers when it is not the one that
  /// was written before. Checks that the ranks' models are the same to the bit.
  void save(const TrainingState& state,
            const NamedTensors& model,
            const Optimiser& optimiser,
            const NamedTensors& best);
  /// Until all is on disk, for all ranks.
  void wait();

  double wait_seconds() const { return writer_ ? writer_->wait_seconds() : 0; }

 private:
  std::string folder_;
  nlohmann::ordered_json description_;
  TrainOptions options_;
  Communicator& world_;
  std::unique_ptr<CheckpointWriter> writer_;  ///< rank 0
  Timer since_last_;
  std::string best_digest_;  ///< of the best model on disk
};

}  // namespace regatta
