// `regatta bench scaling`: a step by phase, and what it would take on other numbers of ranks.
#pragma once

#include "comm/communicator.h"
#include "data/dataset.h"
#include "train/train_options.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace regatta {

/// Collective; the same on every rank of `world`. Measures
/// - in turns, `repeats` epochs of training on the ranks of `world` (steps, seconds by phase and
///   rank), of each rank for itself and all at once (alone), and of rank 0 while the others wait
///   (solo),
/// - every micro-batch of the first epoch alone, on all ranks at once, so that ranks that share
///   memory or processors slow each other down as they do in training,
/// - all-reduces of 4 KiB to 4 MiB,
/// and predicts the step on 1, 2, 4, ... 64 ranks and on these (bench/scaling_model.h).
///
/// Returns {machine, commit, date, threads, amx, world_size, measured {step, phases}, calibration
/// {micro_batches {count, sum, least, most}, fixed, bytes, messages, all_reduce {points, latency,
/// bytes_per_second}}, alone {step}, solo {step}, predicted [{ranks, step, compute, reduce,
/// imbalance, speedup, efficiency}], comparison {measured_step, predicted_step, percent,
/// measured_speedup, predicted_speedup, speedup_over_solo, limit_of_machine}} in seconds. The last
/// two are spreads over the turns: solo over measured, and what ranks that never meet gain over
/// one, the most that this machine's processors and memory allow. all_reduce is null in a world of
/// one and counts as nothing: `predicted` is then a bound from shares of work alone. The times
/// compared are minima.
nlohmann::ordered_json bench_scaling(const TrainJob& job,
                                     std::shared_ptr<const Dataset> dataset,
                                     const std::string& run_folder,
                                     std::int64_t repeats,
                                     Communicator& world);

}  // namespace regatta
