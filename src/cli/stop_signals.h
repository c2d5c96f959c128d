// Signals that ask a training to stop with a checkpoint.
#pragma once

#include "train/stop_request.h"

#include <csignal>
#include <map>

namespace regatta {

/// While it lives, SIGTERM, SIGINT and SIGUSR1 set `request` instead of ending the process; a
/// second SIGINT ends it at once. A signal that the process was started with blocked, and that came
/// before, is received at once. One at a time in a process, made by its first thread.
class StopSignals {
 public:
  explicit StopSignals(StopRequest& request);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  std::map<int, struct sigaction> before_;
};

}  // namespace regatta
