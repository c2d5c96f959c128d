#include "comm/progress.h"

#include <algorithm>
#include <chrono>

namespace regatta {
namespace {

std::int64_t now() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

double seconds_between(std::int64_t from, std::int64_t to) {
  return 1e-9 * static_cast<double>(std::max<std::int64_t>(0, to - from));
}

}  // namespace

const char* phase_name(Phase phase) {
  switch (phase) {
    case Phase::kStart:
      return "start";
    case Phase::kRead:
      return "read";
    case Phase::kUpload:
      return "upload";
    case Phase::kForward:
      return "forward";
    case Phase::kBackward:
      return "backward";
    case Phase::kReduce:
      return "reduce";
    case Phase::kOptimise:
      return "optimise";
    case Phase::kCheckpoint:
      return "checkpoint";
    case Phase::kEvaluate:
      return "evaluate";
  }
  return "unknown";
}

Progress::Progress() : phase_since_(now()), accounted_(phase_since_) {}

void Progress::account(std::int64_t time, Phase phase) {
  seconds_[static_cast<std::size_t>(phase)] += seconds_between(accounted_, time);
  accounted_ = time;
}

Phase Progress::enter(Phase phase) {
  const auto before = static_cast<Phase>(phase_.load());
  const std::int64_t time = now();
  account(time, before);
  phase_ = static_cast<int>(phase);
  phase_since_ = time;
  return before;
}

void Progress::begin_collective(const char* kind, std::int64_t bytes) {
  const std::int64_t number = collectives_ + 1;
  ring_[static_cast<std::size_t>(number) % kKept] = {
      number, kind, bytes, static_cast<Phase>(phase_.load())};
  collectives_ = number;
}

void Progress::begin_wait() {
  const std::int64_t time = now();
  account(time, static_cast<Phase>(phase_.load()));
  wait_since_ = time;
}

void Progress::end_wait() {
  const std::int64_t time = now();
  account(time, Phase::kReduce);
  phase_since_ = time;
  wait_since_ = 0;
}

ProgressSnapshot Progress::snapshot() const {
  const std::int64_t time = now(), waits = wait_since_;
  ProgressSnapshot shot;
  shot.phase = phase_;
  shot.in_collective = waits != 0 ? 1 : 0;
  shot.collectives = collectives_;
  shot.step = step_;
  shot.phase_seconds = seconds_between(phase_since_, time);
  shot.wait_seconds = waits != 0 ? seconds_between(waits, time) : 0;
  return shot;
}

std::array<double, kPhases> Progress::seconds() {
  account(now(), static_cast<Phase>(phase_.load()));
  return seconds_;
}

std::vector<CollectiveRecord> Progress::last_collectives() const {
  const std::int64_t last = collectives_;
  std::vector<CollectiveRecord> records;
  for (std::int64_t n = std::max<std::int64_t>(1, last - static_cast<std::int64_t>(kKept) + 1);
       n <= last;
       ++n)
    records.push_back(ring_[static_cast<std::size_t>(n) % kKept]);
  return records;
}

}  // namespace regatta
