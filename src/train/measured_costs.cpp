#include "train/measured_costs.h"

#include "train/assignment.h"

#include <algorithm>
#include <cmath>

namespace regatta {
namespace {

constexpr double kGain = 1.05;  ///< less is noise, and moving a chunk means reading it again
constexpr double kUnit = 1024;  ///< fixed point of noted costs

/// `cost` by chunk number.
std::vector<double> numbered(const std::vector<ChunkLoad>& loads, const std::vector<double>& cost) {
  std::int64_t most = 0;
  for (const ChunkLoad& load : loads) most = std::max(most, load.chunk);
  std::vector<double> costs(static_cast<std::size_t>(most) + 1, 0.0);
  for (std::size_t i = 0; i < loads.size(); ++i)
    costs[static_cast<std::size_t>(loads[i].chunk)] = cost[i];
  return costs;
}

}  // namespace

double makespan(const std::vector<Step>& steps,
                const std::vector<double>& planned,
                const std::vector<double>& real,
                int world_size) {
  double total = 0;
  for (const Step& step : steps) {
    Step renewed = step;
    std::vector<double> taken;
    for (MicroBatch& micro : renewed.micro_batches) {
      const auto chunk = static_cast<std::size_t>(micro.chunk);
      // A range has its share of the chunk.
      const double share = planned[chunk] > 0 ? micro.cost / planned[chunk] : 1;
      taken.push_back(real[chunk] * share);
    }
    double most = 0;
    for (const auto& part : assign(renewed, world_size)) {
      double load = 0;
      for (const std::size_t i : part) load += taken[i];
      most = std::max(most, load);
    }
    total += most;
  }
  return total;
}

std::vector<double> MeasuredCosts::by_chunk() const {
  std::vector<double> cost;
  for (const ChunkLoad& load : loads_) cost.push_back(load.cost);
  return numbered(loads_, cost);
}

void MeasuredCosts::forget() {
  nanoseconds_.assign(loads_.size(), 0);
  cost_.assign(loads_.size(), 0);
}

void MeasuredCosts::note(const MicroBatch& micro, double seconds) {
  const auto found = std::find_if(loads_.begin(), loads_.end(), [&](const ChunkLoad& load) {
    return load.chunk == micro.chunk;
  });
  const auto i = static_cast<std::size_t>(found - loads_.begin());
  nanoseconds_[i] += std::llround(1e9 * seconds);
  cost_[i] += std::llround(kUnit * micro.cost);
}

bool MeasuredCosts::share(const std::vector<Step>& steps, Communicator& world) {
  // Integers, so that every rank comes to the same bits.
  world.all_reduce_sum(std::span<std::int64_t>(nanoseconds_));
  world.all_reduce_sum(std::span<std::int64_t>(cost_));
  double seconds = 0, cost = 0;
  for (std::size_t i = 0; i < loads_.size(); ++i) {
    seconds += static_cast<double>(nanoseconds_[i]);
    cost += static_cast<double>(cost_[i]) / kUnit;
  }
  std::vector<double> measured;
  for (std::size_t i = 0; i < loads_.size(); ++i) {
    const double noted = static_cast<double>(cost_[i]) / kUnit;
    const double pace =
        noted > 0 ? static_cast<double>(nanoseconds_[i]) / noted : seconds / std::max(cost, 1.0);
    measured.push_back(loads_[i].cost * pace);
  }
  forget();
  if (seconds == 0 || world.size() == 1)
    return false;
  const auto before = by_chunk(), after = numbered(loads_, measured);
  std::vector<Step> renewed = steps;
  for (Step& step : renewed) {
    for (MicroBatch& micro : step.micro_batches) {
      const auto chunk = static_cast<std::size_t>(micro.chunk);
      micro.cost *= before[chunk] > 0 ? after[chunk] / before[chunk] : 1;
    }
  }
  const double now = makespan(steps, before, after, world.size());
  const double then = makespan(renewed, after, after, world.size());
  if (now <= kGain * then)
    return false;
  for (std::size_t i = 0; i < loads_.size(); ++i) loads_[i].cost = measured[i];
  return true;
}

}  // namespace regatta
