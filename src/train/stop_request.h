// A wish to stop, from a signal or a time limit, which a training asks about before each step.
#pragma once

#include <atomic>
#include <string>

namespace regatta {

/// Set once by any thread or signal handler; the first reason counts.
class StopRequest {
 public:
  static constexpr int kTimeLimit = -1;

  /// `reason`: a signal's number, or kTimeLimit. Safe in a signal handler.
  void set(int reason) {
    int none = 0;
    reason_.compare_exchange_strong(none, reason);
  }
  bool requested() const { return reason_.load() != 0; }
  /// "SIGUSR1", "the time limit is near"; empty without a request.
  std::string reason() const;

 private:
  std::atomic<int> reason_{0};
  static_assert(std::atomic<int>::is_always_lock_free);
};

}  // namespace regatta
