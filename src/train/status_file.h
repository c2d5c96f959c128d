// RUN/status.json: how far a training is, and what each rank does; renewed while it runs.
#pragma once

#include "comm/heartbeat.h"
#include "core/timer.h"

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace regatta {

/// Written by rank 0. Readers see a whole file: it is replaced by rename (and not synced, as a file
/// that lives for seconds). A fault of the disk is logged once and is no reason to stop.
class StatusFile {
 public:
  explicit StatusFile(std::string path);

  void plan(std::int64_t epochs) { epochs_ = epochs; }
  void epoch(std::int64_t epoch, std::int64_t steps);  ///< 1-based, and its steps
  void step(std::int64_t step_of_epoch, std::int64_t steps_done, double loss);
  void validation(double loss, double accuracy);
  /// Called about every second, from any thread.
  void ranks(const std::vector<RankHeartbeat>& table);
  /// "finished", "stopped" or "failed"; written at once.
  void end(const std::string& state);

 private:
  void write();

  std::mutex mutex_;
  std::string path_;
  std::string state_ = "training";
  std::int64_t epochs_ = 0, epoch_ = 0, epoch_steps_ = 0, epoch_step_ = 0, steps_ = 0;
  double loss_ = 0, validation_loss_ = 0, validation_accuracy_ = 0;
  bool validated_ = false, faulty_ = false;
  std::vector<RankHeartbeat> table_;
  Timer since_start_, since_write_;
};

}  // namespace regatta
