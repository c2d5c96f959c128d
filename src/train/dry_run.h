// What a training would do: its plan, shares, and memory, without touching a chunk.
#pragma once

#include <string>

#include "data/manifest.h"
#include "train/train_options.h"

namespace regatta {

/// Text for `regatta train --dry-run`: chunks, replication, steps of the first epoch,
/// micro-batches, work and memory of every rank, idle ranks. Memory is an estimate: features, graph
/// and the activations that backward keeps, for the largest chunk of each rank and for its cached
/// chunks. Throws as make_task and Model do for options that do not fit.
std::string describe_dry_run(const TrainJob& job, const Manifest& manifest, int world_size);

}  // namespace regatta
