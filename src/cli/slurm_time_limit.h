// The time that a Slurm job has left, which only squeue knows (Slurm 22.05 sets no variable).
#pragma once

#include "train/stop_request.h"

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace regatta {

/// Seconds in squeue's "%L": "1-02:03:04", "02:03:04", "03:04", "0:30". Empty for UNLIMITED,
/// NOT_SET, INVALID and anything else.
std::optional<std::int64_t> seconds_of_slurm_time(const std::string& text);

/// Asks `squeue` every few seconds and sets `request` once less than `margin_seconds` are left. A
/// squeue that fails is tried again; where it cannot be started at all a warning says that the
/// limit is not watched.
class SlurmTimeLimit {
 public:
  SlurmTimeLimit(std::string job, std::int64_t margin_seconds, StopRequest& request);
  ~SlurmTimeLimit();
  SlurmTimeLimit(const SlurmTimeLimit&) = delete;
  SlurmTimeLimit& operator=(const SlurmTimeLimit&) = delete;

 private:
  void watch();

  std::string job_;
  std::int64_t margin_seconds_;
  StopRequest& request_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;
  std::thread thread_;
};

}  // namespace regatta
