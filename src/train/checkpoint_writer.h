// Writes a run's checkpoints on a thread of its own while training goes on.
#pragma once

#include "checkpoint/checkpoint_store.h"

#include <cstdint>
#include <future>
#include <optional>
#include <string>

namespace regatta {

struct CheckpointPolicy {
  std::int64_t keep = 2;      ///< newest checkpoints to keep
  bool stop_on_error = true;  ///< else a failed write is a warning
};

/// One process of a job makes it; one thread uses it.
class CheckpointWriter {
 public:
  /// Opens the run's next attempt; see CheckpointAttempt.
  CheckpointWriter(const std::string& run_folder,
                   const std::string& resumed_from,
                   CheckpointPolicy policy);
  /// Waits; a failure then is only logged.
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  /// Starts to write the checkpoint and, where given, the best model. Waits for the one before it
  /// and throws its Error(kStorage) where the policy says so. The tensors must not change any more.
  void submit(std::int64_t step, Checkpoint checkpoint, std::optional<Checkpoint> best);
  /// Until all is on disk; throws likewise.
  void wait();

  double wait_seconds() const { return wait_seconds_; }  ///< training stood still for

 private:
  CheckpointAttempt attempt_;
  CheckpointPolicy policy_;
  std::future<void> writing_;
  double wait_seconds_ = 0;
};

}  // namespace regatta
