// Ends a job that hangs, and says who is late: a thread in every rank (docs/operations.md).
#pragma once

#include "comm/communicator.h"
#include "comm/heartbeat.h"
#include "comm/progress.h"
#include "core/timer.h"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace regatta {

/// Seconds without any progress after which a rank is held to hang; 0: never.
struct WatchdogLimits {
  double wait = 120;      ///< in a collective, while a rank is silent or all wait
  double storage = 600;   ///< in read, upload, checkpoint
  double compute = 3600;  ///< in any other phase
};

/// What the ranks' heartbeats say, as far as one rank knows.
struct Verdict {
  bool hangs = false;
  std::string reason;  ///< names ranks and phases; a late rank that still works has one too
};

/// `table` by rank, `mine` this rank's own current state. A pure function.
Verdict judge(const std::vector<RankHeartbeat>& table,
              int rank,
              const ProgressSnapshot& mine,
              const WatchdogLimits& limits);

/// "rank 1: backward for 12.3 s, 17 collectives begun, step 5, last heard 0.4 s ago", a line a rank.
std::string describe_ranks(const std::vector<RankHeartbeat>& table);

class Watchdog {
 public:
  /// Called from the watchdog's thread about every second with what is known of all ranks.
  using Listener = std::function<void(const std::vector<RankHeartbeat>&)>;

  /// Collective over `world`, which ends with exit code 75 when a rank hangs: by then `dump_path`
  /// holds this rank's last collectives and the state of all ranks. All arguments must outlive it.
  Watchdog(Communicator& world,
           const Progress& progress,
           WatchdogLimits limits,
           std::string dump_path,
           Listener listener);
  /// Without close(), as when an exception leaves, no other rank is waited for.
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// The end in order. Collective.
  void close();

 private:
  void watch();
  void look();
  bool awakes();
  [[noreturn]] void end_job(const std::string& reason, const std::vector<RankHeartbeat>& table);
  void stop_thread();

  Communicator& world_;
  const Progress& progress_;
  WatchdogLimits limits_;
  std::string dump_path_;
  Listener listener_;
  std::unique_ptr<HeartbeatChannel> channel_;  ///< null in a world of one
  double told_at_ = 0;
  Timer since_look_;
  double awake_after_ = 0;  ///< seconds in which nobody is judged
  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;
  std::thread thread_;
};

}  // namespace regatta
