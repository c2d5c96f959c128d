// What all ranks of a training must have alike, or their sums would not be what they seem.
#pragma once

#include "comm/communicator.h"
#include "data/manifest.h"
#include "train/train_options.h"

#include <string>
#include <utility>
#include <vector>

namespace regatta {

/// Name and value of a property of this rank.
using RankProperties = std::vector<std::pair<std::string, std::string>>;

/// Instruction set, library versions, configuration (without `runtime`) and dataset digest.
RankProperties rank_properties(const TrainJob& job, const Manifest& manifest);

/// Throws Error(kUsage) on every rank, naming the first rank and property that differ from rank
/// 0's. Collective.
void check_ranks_alike(const RankProperties& mine, Communicator& world);

}  // namespace regatta
