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
/// the steps. Returns {machine, commit, date, threads, amx, step {median, minimum, maximum}, floor,
/// percent, ...} in seconds; floor = every array of graph, features, rows and parameters moved once
/// each way at the measured copy rate, plus the dense products at the measured GEMM rate.
///
/// `against`: another training on the same dataset, whose epochs alternate with those of `job`, so
/// that both see the same machine. Adds against {step, ratio}: ratio = an epoch of `job` over the
/// next one of `against`. Throws Error(kUsage) where the two differ in runtime.threads or
/// runtime.amx, which belong to the process.
nlohmann::ordered_json bench_step(const TrainJob& job,
                                  const std::optional<TrainJob>& against,
                                  std::shared_ptr<const Dataset> dataset,
                                  const std::string& run_folder,
                                  std::int64_t repeats,
                                  Communicator& world);

}  // namespace regatta
