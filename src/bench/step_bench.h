// `regatta bench step`: one optimiser step of a job, beside what memory and matrix products cost at
// least.
#pragma once

#include "comm/communicator.h"
#include "data/dataset.h"
#include "train/train_options.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace regatta {

/// Collective. Trains `repeats` epochs after a warm-up, in a scratch folder `run_folder`, and times
/// the steps. Returns {machine, commit, date, threads, amx, world_size, steps, replayed_steps, step
/// {median, minimum, maximum}, bounds, floor, floor_parts {attention, products, optimiser},
/// percent, memory}: times in seconds; floor as step_floor.h, null where it knows no formulas and
/// on a GPU; memory as PeakMemory::report, from before the first step of the warm-up on, each
/// number of the rank where it is largest. Prepared chunks that stay in memory count.
///
/// `against`: another training on the same dataset, whose epochs alternate with those of `job`, so
/// that both see the same machine. Adds against {step, ratio}: ratio = an epoch of `job` over the
/// next one of `against`; memory is that of both together. Throws Error(kUsage) where the two
/// differ in runtime.threads or runtime.amx, which belong to the process.
nlohmann::ordered_json bench_step(const TrainJob& job,
                                  const std::optional<TrainJob>& against,
                                  std::shared_ptr<const Dataset> dataset,
                                  const std::string& run_folder,
                                  std::int64_t repeats,
                                  Communicator& world);

}  // namespace regatta
