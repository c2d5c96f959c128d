// Assignment: (step, world size) -> the micro-batches of each rank; the only place that knows the
// rank.
#pragma once

#include <vector>

#include "train/plan.h"

namespace regatta {

/// Indices into step.micro_batches of every rank, ascending. Greedy: the costliest first, each to
/// the rank with the least so far; ties by index and by rank. Ranks may come out with none.
std::vector<std::vector<std::size_t>> assign(const Step& step, int world_size);

}  // namespace regatta
