// Lanes are contexts made once by makecontext; later switches are setjmp/longjmp, which cost no
// system call.
#include "kernels/warp_executor.h"

#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <ucontext.h>
#include <vector>

namespace regatta::cuda {
namespace {

constexpr int kLanes = 32;
constexpr std::size_t kStack = std::size_t{1} << 17;

struct Lane {
  std::vector<char> stack = std::vector<char>(kStack);
  ucontext_t start;
  jmp_buf resume;
  bool running = false;  ///< started and not ended
  std::uint64_t rounds = 0;
};

struct Warp {
  std::array<Lane, kLanes> lanes;
  std::array<std::array<std::uint64_t, kLanes>, 2> slots{};
  jmp_buf scheduler;
  int lane = 0;
  std::int64_t number = 0;
  const std::function<void()>* thread = nullptr;
};

bool ascending_order = false;

Warp& warp() {
  static thread_local std::unique_ptr<Warp> one = std::make_unique<Warp>();
  return *one;
}

[[noreturn]] void stop(const char* what) {
  std::fprintf(
      stderr, "warp executor: warp %lld: %s\n", static_cast<long long>(warp().number), what);
  std::abort();
}

void run_lane() {
  Warp& w = warp();
  for (;;) {
    (*w.thread)();
    w.lanes[static_cast<std::size_t>(w.lane)].running = false;
    if (_setjmp(w.lanes[static_cast<std::size_t>(w.lane)].resume) == 0)
      _longjmp(w.scheduler, 1);
  }
}

/// Until the lane's next exchange or its end.
void advance(Lane& lane) {
  Warp& w = warp();
  if (_setjmp(w.scheduler) == 0)
    _longjmp(lane.resume, 1);
}

void make_lane(Lane& lane) {
  Warp& w = warp();
  getcontext(&lane.start);
  lane.start.uc_stack.ss_sp = lane.stack.data();
  lane.start.uc_stack.ss_size = lane.stack.size();
  lane.start.uc_link = nullptr;
  makecontext(
      &lane.start,
      [] {
        Warp& here = warp();
        if (_setjmp(here.lanes[static_cast<std::size_t>(here.lane)].resume) == 0)
          _longjmp(here.scheduler, 1);
        run_lane();
      },
      0);
  if (_setjmp(w.scheduler) == 0)
    setcontext(&lane.start);
}

void run_warp() {
  Warp& w = warp();
  for (Lane& lane : w.lanes) {
    lane.running = true;
    lane.rounds = 0;
  }
  for (bool any = true; any;) {
    int running = 0;
    for (w.lane = 0; w.lane < kLanes; ++w.lane) {
      Lane& lane = w.lanes[static_cast<std::size_t>(w.lane)];
      if (lane.running)
        advance(lane);
      running += lane.running ? 1 : 0;
    }
    any = running > 0;
    if (any && running < kLanes)
      stop("some lanes ended while others wait for them at an exchange");
    for (const Lane& lane : w.lanes)
      if (lane.rounds != w.lanes[0].rounds)
        stop("lanes are at different exchanges");
  }
}

}  // namespace

std::int64_t executor_warp() {
  return warp().number;
}
int executor_lane() {
  return warp().lane;
}

std::uint64_t executor_swap(std::uint64_t bits, int mask) {
  Warp& w = warp();
  const auto me = static_cast<std::size_t>(w.lane);
  Lane& lane = w.lanes[me];
  // Two sets of slots in turn: none is overwritten before all lanes have read it.
  auto& slots = w.slots[lane.rounds++ % 2];
  slots[me] = bits;
  if (_setjmp(lane.resume) == 0)
    _longjmp(w.scheduler, 1);
  return slots[me ^ static_cast<std::size_t>(mask)];
}

void execute_in_ascending_order(bool ascending) {
  ascending_order = ascending;
}

void execute_warps(std::int64_t warps, const std::function<void()>& thread) {
  Warp& w = warp();
  w.thread = &thread;
  static thread_local bool made = false;
  if (!made)
    for (w.lane = 0; w.lane < kLanes; ++w.lane)
      make_lane(w.lanes[static_cast<std::size_t>(w.lane)]);
  made = true;
  for (std::int64_t n = 0; n < warps; ++n) {
    w.number = ascending_order ? n : warps - 1 - n;
    run_warp();
  }
}

}  // namespace regatta::cuda
