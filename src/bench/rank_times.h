// Times of what all ranks do together.
#pragma once

#include "train/trainer.h"

#include <cstdint>
#include <vector>

namespace regatta {

/// The most of any rank's `seconds`, to a nanosecond and at least one. Collective.
double seconds_of_slowest_rank(double seconds, Communicator& world);

/// Seconds on this rank of every step of epochs [first, first + count), each begun together.
std::vector<double> time_steps(Trainer& trainer,
                               std::int64_t first,
                               std::int64_t count,
                               Communicator& world);

}  // namespace regatta
