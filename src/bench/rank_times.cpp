#include "bench/rank_times.h"

#include "core/timer.h"

#include <algorithm>

namespace regatta {

double seconds_of_slowest_rank(double seconds, Communicator& world) {
  const auto nanoseconds = std::max<std::int64_t>(1, static_cast<std::int64_t>(1e9 * seconds));
  return 1e-9 * static_cast<double>(world.all_reduce_max(nanoseconds));
}

std::vector<double> time_steps(Trainer& trainer,
                               std::int64_t first,
                               std::int64_t count,
                               Communicator& world) {
  std::vector<double> seconds;
  for (std::int64_t i = first; i < first + count; ++i) {
    const auto epoch = static_cast<std::uint64_t>(i);
    const auto steps = trainer.plan(epoch);
    trainer.announce_epoch(steps);
    for (const Step& step : steps) {
      world.barrier();
      const Timer timer;
      trainer.train_step(step, epoch);
      seconds.push_back(timer.seconds());
    }
  }
  return seconds;
}

}  // namespace regatta
