// What a rank is doing: written by the thread that trains, read by its watchdog.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace regatta {

enum class Phase : int {
  kStart,
  kRead,
  kUpload,
  kForward,
  kBackward,
  kReduce,
  kOptimise,
  kCheckpoint,
  kEvaluate,
};
inline constexpr std::size_t kPhases = 9;
const char* phase_name(Phase phase);

/// A collective that was begun.
struct CollectiveRecord {
  std::int64_t number = 0;  ///< of this rank, from 1
  const char* kind = "";    ///< "all_reduce"
  std::int64_t bytes = 0;
  Phase phase = Phase::kStart;
};

/// Plain numbers, as they travel between ranks.
struct ProgressSnapshot {
  std::int32_t phase = 0;
  std::int32_t in_collective = 0;  ///< waits in one
  std::int64_t collectives = 0;    ///< begun so far
  std::int64_t step = 0;           ///< optimiser steps done
  double phase_seconds = 0;        ///< since the phase began or a collective in it ended
  double wait_seconds = 0;         ///< in the collective under way
};

/// One thread writes, any may read.
class Progress {
 public:
  Progress();

  Phase enter(Phase phase);  ///< returns the phase that ends
  void step_done(std::int64_t step) { step_ = step; }
  void begin_collective(const char* kind, std::int64_t bytes);
  void begin_wait();
  void end_wait();

  ProgressSnapshot snapshot() const;
  /// Seconds by phase so far; what was waited in collectives counts as reduce. Writing thread only.
  std::array<double, kPhases> seconds();
  /// The last collectives, oldest first. May miss the very last while it is being noted.
  std::vector<CollectiveRecord> last_collectives() const;

 private:
  static constexpr std::size_t kKept = 64;
  void account(std::int64_t now, Phase phase);

  std::atomic<int> phase_{0};
  std::atomic<std::int64_t> phase_since_, wait_since_{0};  ///< nanoseconds; 0: does not wait
  std::atomic<std::int64_t> collectives_{0}, step_{0};
  std::array<CollectiveRecord, kKept> ring_{};
  std::array<double, kPhases> seconds_{};
  std::int64_t accounted_;
};

/// For the duration of a block.
class PhaseScope {
 public:
  PhaseScope(Progress& progress, Phase phase) : progress_(progress), before_(progress.enter(phase)) {}
  ~PhaseScope() { progress_.enter(before_); }
  PhaseScope(const PhaseScope&) = delete;
  PhaseScope& operator=(const PhaseScope&) = delete;

 private:
  Progress& progress_;
  Phase before_;
};

}  // namespace regatta
