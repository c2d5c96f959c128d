// What a step takes on N ranks, from rates measured on this machine. No clock and no rank in here.
#pragma once

#include "train/plan.h"

#include <cstdint>
#include <span>
#include <vector>

namespace regatta {

struct ReducePoint {
  double bytes = 0;
  double seconds = 0;
};

/// An all-reduce of b bytes over N ranks takes ceil(log2 N) latencies and moves 2 (N-1)/N b bytes,
/// as the best ones do; nothing on one rank.
struct ReduceRate {
  double latency = 0;           ///< seconds
  double seconds_per_byte = 0;  ///< moved
  double seconds(int ranks, double bytes) const;
};

/// Least squares of the relative errors at `points` (two or more, on `ranks` > 1). Neither rate is
/// negative.
ReduceRate fit_reduce(int ranks, std::span<const ReducePoint> points);

struct StepCosts {
  std::vector<std::vector<double>> micro_batches;  ///< seconds of each, by step of the plan
  double fixed = 0;      ///< seconds of a step on every rank, as the optimiser's
  double bytes = 0;      ///< of gradients, as they travel
  std::int64_t messages = 1;  ///< that share them, and small ones beside
};

struct ScalingPrediction {
  int ranks = 1;
  double step = 0;        ///< mean over the plan, seconds
  double compute = 0;     ///< of the busiest rank
  double reduce = 0;      ///< as if none of it hid behind compute
  double imbalance = 1;   ///< busiest rank over mean
  double speedup = 1;     ///< over one rank
  double efficiency = 1;  ///< speedup / ranks
};

/// The micro-batches are shared out as in training (train/assignment.h).
ScalingPrediction predict_scaling(const std::vector<Step>& plan,
                                  const StepCosts& costs,
                                  const ReduceRate& rate,
                                  int ranks);

}  // namespace regatta
