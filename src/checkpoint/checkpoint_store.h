// The checkpoints of a run, over all its attempts:
//   RUN/checkpoints/attempts/K/attempt.json       what attempt K went on from
//   RUN/checkpoints/attempts/K/step-NNNNNNNN/     after so many optimiser steps
//   RUN/checkpoints/attempts/K/best-NNNNNNNN/     the best model of then, without optimiser
//   RUN/checkpoints/{last,best}                   links to the newest of each
// An attempt is one start of the program. Each writes only into its own folder, and where a newer
// one has begun the older ones are closed: what a process that outlived its job still writes is
// never read (docs/operations.md, "Checkpoints").
#pragma once

#include "checkpoint/checkpoint.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace regatta {

struct StoredCheckpoint {
  std::int64_t attempt = 0;  ///< 0: a run of before there were attempts
  std::int64_t step = 0;
  std::string folder;
};

/// What a new attempt may go on from, newest first. Folders are not verified.
std::vector<StoredCheckpoint> resumable_checkpoints(const std::string& run_folder);

struct LatestCheckpoint {
  StoredCheckpoint from;
  Checkpoint checkpoint;
};

/// The newest resumable one that verifies, with a warning for each that does not; empty where the
/// run has none. Throws Error(kData) naming all of them where none verifies.
std::optional<LatestCheckpoint> read_latest_checkpoint(const std::string& run_folder);

/// One of resumable_checkpoints by its folder. Throws as read_checkpoint.
Checkpoint read_resumable(const std::string& folder);

/// One attempt's right to write. One process of a job makes it.
class CheckpointAttempt {
 public:
  /// Opens the next attempt of the run. `resumed_from`: a folder of resumable_checkpoints, empty to
  /// start anew (earlier checkpoints are then never read again). Throws Error(kStorage).
  CheckpointAttempt(const std::string& run_folder, const std::string& resumed_from);

  std::int64_t number() const { return number_; }

  /// Writes step-NNNNNNNN, points `last` to it, and removes what is older than the newest `keep`
  /// (of all attempts). Throws Error(kStorage) naming the path, also where a newer attempt of the
  /// run has begun; older checkpoints then stay valid.
  std::string write_step(std::int64_t step, const Checkpoint& checkpoint, std::int64_t keep);
  /// Writes best-NNNNNNNN, points `best` to it, and removes the one before. Throws likewise.
  std::string write_best(std::int64_t step, const Checkpoint& checkpoint);

 private:
  void check_newest() const;
  void link(const std::string& name, const std::string& folder) const;

  std::string checkpoints_;  ///< RUN/checkpoints
  std::string folder_;       ///< of this attempt
  std::int64_t number_ = 0;
};

}  // namespace regatta
