// A job whose last rank misbehaves in one of several ways, under the watchdog;
// tests/comm/late_rank_test.py runs it. usage: late_rank
// slow|late|other-collective|other-size|other-size-elsewhere|PHASE FOLDER
//        (a phase: the rank throws in it; elsewhere: on a node of its own)
#include "comm/communicator.h"
#include "comm/mpi_communicator.h"
#include "comm/watchdog.h"
#include "comm/watched_communicator.h"
#include "core/error.h"
#include "core/log.h"

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace regatta;

constexpr int kRounds = 4, kBadRound = 2;
constexpr std::int64_t kCount = 200000;
const std::vector<Phase> kRound{Phase::kRead,
                                Phase::kUpload,
                                Phase::kForward,
                                Phase::kBackward,
                                Phase::kReduce,
                                Phase::kOptimise,
                                Phase::kCheckpoint,
                                Phase::kEvaluate};

/// What the last rank does instead of going on.
void misbehave(const std::string& mode, Phase phase, Communicator& world) {
  if (mode == phase_name(phase))
    fail(ExitCode::kData, "rank {}: bad data in phase {}", world.rank(), mode);
  if (phase == Phase::kRead && mode == "slow")
    std::this_thread::sleep_for(std::chrono::seconds(60));
  if (phase == Phase::kRead && mode == "late")
    std::this_thread::sleep_for(std::chrono::seconds(6));
  if (phase == Phase::kReduce && mode == "other-collective")
    world.barrier();
}

void train(const std::string& mode, Communicator& world, Progress& progress) {
  for (int round = 0; round < kRounds; ++round) {
    const bool bad = round == kBadRound && world.rank() == world.size() - 1;
    for (const Phase phase : kRound) {
      progress.enter(phase);
      if (bad)
        misbehave(mode, phase, world);
      if (phase != Phase::kReduce)
        continue;
      std::vector<double> gradient(kCount, 1.0);
      const std::int64_t count = bad && mode.starts_with("other-size") ? kCount / 2 : kCount;
      world.all_reduce(gradient.data(), count, ReduceType::kFloat64, ReduceOp::kSum);
      REGATTA_CHECK(gradient.front() == world.size(), "a sum of {}", gradient.front());
    }
    progress.step_done(round + 1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  MpiSession session(&argc, &argv);
  const std::string mode = argc > 1 ? argv[1] : "";
  const std::string folder = argc > 2 ? argv[2] : ".";
  log::set_rank(session.world().rank(), session.world().size());
  Progress progress;
  // So many ranks taken for a node that the last one is alone on the next.
  const auto nodes = make_mpi_communicator(
      MPI_COMM_WORLD,
      {.node_ranks = mode == "other-size-elsewhere" ? session.world().size() - 1 : 0});
  const auto world = watch_communicator(*nodes, progress);
  try {
    // Storage may take 3 s, except where the rank is only late.
    const WatchdogLimits limits{4, mode == "late" ? 60.0 : 3.0, 60};
    Watchdog watchdog(
        *world, progress, limits, fmt::format("{}/rank-{}.txt", folder, world->rank()), nullptr);
    train(mode, *world, progress);
    watchdog.close();
  } catch (const Error& error) {
    log::error_text(error.what());
    session.world().abort(static_cast<int>(error.code()));
  }
  return 0;
}
