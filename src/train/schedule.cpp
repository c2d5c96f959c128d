#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace regatta {
namespace {

double decayed(const ScheduleOptions& options,
               const ScheduleState& state,
               double base,
               std::int64_t epoch,
               std::int64_t epochs) {
  if (options.kind == "step") {
    return base * std::pow(options.factor, static_cast<double>(epoch / options.every));
  }
  if (options.kind == "cosine") {
    const double span = static_cast<double>(std::max<std::int64_t>(1, epochs - options.warmup));
    const double at = static_cast<double>(std::max<std::int64_t>(0, epoch - options.warmup)) / span;
    const double cosine = 0.5 * (1 + std::cos(std::numbers::pi * std::min(1.0, at)));
    return options.minimum + (base - options.minimum) * cosine;
  }
  if (options.kind == "plateau")
    return std::max(options.minimum, base * state.factor);
  return base;
}

}  // namespace

double learning_rate(const ScheduleOptions& options,
                     const ScheduleState& state,
                     double base,
                     std::int64_t epoch,
                     std::int64_t epochs) {
  const double rate = decayed(options, state, base, epoch, epochs);
  if (epoch >= options.warmup)
    return rate;
  return rate * static_cast<double>(epoch + 1) / static_cast<double>(options.warmup + 1);
}

void observe_validation(const ScheduleOptions& options, ScheduleState& state, double loss) {
  if (options.kind != "plateau")
    return;
  if (loss < state.best_loss) {
    state.best_loss = loss;
    state.waited = 0;
  } else if (++state.waited >= options.patience) {
    state.factor *= options.factor;
    state.waited = 0;
  }
}

}  // namespace regatta
