// Learning rate over epochs.
#pragma once

#include <cstdint>
#include <limits>

#include "train/train_options.h"

namespace regatta {

/// What the plateau schedule remembers; part of a checkpoint.
struct ScheduleState {
  double factor = 1;
  double best_loss = std::numeric_limits<double>::infinity();
  std::int64_t waited = 0;
};

/// Rate of epoch `epoch` (0-based) of `epochs`, times the linear warm-up.
double learning_rate(const ScheduleOptions& options,
                     const ScheduleState& state,
                     double base,
                     std::int64_t epoch,
                     std::int64_t epochs);

/// Tells the plateau schedule the validation loss of an epoch; a no-op for the others.
void observe_validation(const ScheduleOptions& options, ScheduleState& state, double loss);

}  // namespace regatta
