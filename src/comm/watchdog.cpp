#include "comm/watchdog.h"

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <unistd.h>
#include <utility>

namespace regatta {
namespace {

constexpr std::chrono::milliseconds kPause{500};
constexpr double kSilence = 10;     ///< seconds without a sign of life that are worth a word
constexpr double kStandstill = 3;   ///< seconds between two looks after which this process was stopped
constexpr double kAwakening = 5;    ///< seconds for all ranks to go on after that
constexpr double kStraggler = 30;   ///< seconds of waiting for a rank that works
constexpr int kCode = static_cast<int>(ExitCode::kCommunication);

double limit_of(Phase phase, const WatchdogLimits& limits) {
  const bool storage =
      phase == Phase::kRead || phase == Phase::kUpload || phase == Phase::kCheckpoint;
  return storage ? limits.storage : limits.compute;
}

std::string describe(std::size_t rank, const RankHeartbeat& heartbeat) {
  const ProgressSnapshot& p = heartbeat.progress;
  const char* phase = phase_name(static_cast<Phase>(p.phase));
  if (heartbeat.beat == 0)
    return fmt::format("rank {}: never heard of", rank);
  const std::string doing =
      p.in_collective != 0
          ? fmt::format("waits in its collective {} ({}) for {:.1f} s",
                        p.collectives,
                        phase,
                        p.wait_seconds)
          : fmt::format("{} for {:.1f} s, {} collectives begun", phase, p.phase_seconds, p.collectives);
  return fmt::format("rank {}: {}, step {}, last heard {:.1f} s ago",
                     rank,
                     doing,
                     p.step,
                     heartbeat.silent_seconds);
}

/// The rank that has begun the fewest collectives, unless all wait in the same.
const RankHeartbeat* last_of(const std::vector<RankHeartbeat>& table, std::size_t& rank) {
  const RankHeartbeat* last = nullptr;
  for (std::size_t r = 0; r < table.size(); ++r) {
    if (table[r].progress.in_collective != 0 || table[r].beat == 0)
      continue;
    if (last == nullptr || table[r].progress.collectives < last->progress.collectives) {
      last = &table[r];
      rank = r;
    }
  }
  return last;
}

Verdict judge_waiting(const std::vector<RankHeartbeat>& table,
                      const ProgressSnapshot& mine,
                      const WatchdogLimits& limits) {
  const bool over = limits.wait > 0 && mine.wait_seconds > limits.wait;
  // Without rank 0 nothing is known of the others.
  const double quiet = std::min(kSilence, limits.wait / 2);
  std::size_t silent = 0;
  for (std::size_t r = 1; r < table.size() && table[0].silent_seconds <= quiet; ++r) {
    if (table[r].silent_seconds > table[silent].silent_seconds)
      silent = r;
  }
  if (!table.empty() && table[silent].silent_seconds > quiet) {
    return {over && table[silent].silent_seconds > limits.wait / 2,
            fmt::format("no sign of life; it is stopped, cut off or gone: {}",
                        describe(silent, table[silent]))};
  }
  std::size_t late = 0;
  if (const RankHeartbeat* last = last_of(table, late))
    return {false, fmt::format("all wait for it: {}", describe(late, *last))};
  // Where a late rank has only just come, they do meet, and its wait is short.
  double shortest = mine.wait_seconds;
  for (const RankHeartbeat& heartbeat : table)
    shortest = std::min(shortest, heartbeat.progress.wait_seconds);
  return {over && shortest > limits.wait, "all ranks wait, in collectives that do not meet"};
}

}  // namespace

Verdict judge(const std::vector<RankHeartbeat>& table,
              int rank,
              const ProgressSnapshot& mine,
              const WatchdogLimits& limits) {
  if (mine.in_collective != 0) {
    if (mine.wait_seconds < std::min(kStraggler, std::max(limits.wait, 1.0)))
      return {};
    return judge_waiting(table, mine, limits);
  }
  const auto phase = static_cast<Phase>(mine.phase);
  const double limit = limit_of(phase, limits);
  if (limit <= 0 || mine.phase_seconds < limit)
    return {};
  return {true,
          fmt::format("rank {} has been in {} for {:.0f} s, allowed are {:.0f}",
                      rank,
                      phase_name(phase),
                      mine.phase_seconds,
                      limit)};
}

std::string describe_ranks(const std::vector<RankHeartbeat>& table) {
  std::string text;
  for (std::size_t r = 0; r < table.size(); ++r) text += "  " + describe(r, table[r]) + "\n";
  return text;
}

Watchdog::Watchdog(Communicator& world,
                   const Progress& progress,
                   WatchdogLimits limits,
                   std::string dump_path,
                   Listener listener)
    : world_(world),
      progress_(progress),
      limits_(limits),
      dump_path_(std::move(dump_path)),
      listener_(std::move(listener)),
      channel_(world.open_heartbeat()),
      thread_([this] { watch(); }) {}

Watchdog::~Watchdog() {
  stop_thread();
}

void Watchdog::stop_thread() {
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
  }
  ended_.notify_all();
  if (thread_.joinable())
    thread_.join();
}

void Watchdog::close() {
  world_.barrier();  // still watched: the channel's end is patient for seconds only
  stop_thread();
  if (channel_)
    channel_->close();
}

void Watchdog::watch() {
  std::unique_lock lock(mutex_);
  while (!end_) {
    lock.unlock();
    try {
      look();
    } catch (const std::exception& error) {
      // A broken channel is found by the collectives as well; silence is judged as silence.
      log::warn("watchdog: {}", error.what());
    }
    since_look_.restart();
    lock.lock();
    ended_.wait_for(lock, kPause, [this] { return end_; });
  }
}

void Watchdog::look() {
  const bool just_woke = awakes();
  const ProgressSnapshot mine = progress_.snapshot();
  std::vector<RankHeartbeat> table =
      channel_ ? channel_->exchange(mine) : std::vector<RankHeartbeat>{{mine, 1, 0}};
  if (listener_)
    listener_(table);
  if (just_woke)
    return;
  const Verdict verdict = judge(table, world_.rank(), mine, limits_);
  if (verdict.hangs)
    end_job(verdict.reason, table);
  if (verdict.reason.empty()) {
    told_at_ = 0;
  } else if (mine.wait_seconds >= told_at_ + kStraggler || told_at_ == 0) {
    told_at_ = mine.wait_seconds;
    log::warn("waiting for {:.0f} s: {}", mine.wait_seconds, verdict.reason);
  }
}

/// Where the whole job was stopped and goes on (a batch system suspends it, a machine sleeps), every
/// wait and every silence is as long as that, and nobody is late.
bool Watchdog::awakes() {
  const double pause = since_look_.seconds();
  if (pause > kStandstill) {
    log::warn("this process stood still for {:.0f} s", pause);
    awake_after_ = kAwakening;
  } else {
    awake_after_ -= pause;
  }
  return awake_after_ > 0;
}

void Watchdog::end_job(const std::string& reason, const std::vector<RankHeartbeat>& table) {
  // MPI_Abort itself may hang on a link that is cut.
  std::thread([] {
    std::this_thread::sleep_for(std::chrono::seconds(5));
    _exit(kCode);
  }).detach();
  std::string text = fmt::format("{}\n{}", reason, describe_ranks(table));
  text += "  last collectives of this rank (number, kind, bytes, phase):\n";
  for (const CollectiveRecord& record : progress_.last_collectives())
    text += fmt::format("  {} {} {} {}\n",
                        record.number,
                        record.kind,
                        record.bytes,
                        phase_name(record.phase));
  log::error("watchdog: {}. The job ends with exit code {}; start it again with --resume. What the "
             "ranks did last: {}\n{}",
             reason,
             kCode,
             dump_path_,
             describe_ranks(table));
  try {
    make_folders(std::filesystem::path(dump_path_).parent_path().string());
    replace_file(dump_path_, text);
  } catch (const std::exception& error) {
    log::error("{}", error.what());
  }
  world_.abort(kCode);
  _exit(kCode);  // abort() does not return; the compiler cannot see that through the virtual call
}

}  // namespace regatta
