// What a training must remember to go on as if it had never stopped; to and from a checkpoint.
#pragma once

#include "checkpoint/checkpoint.h"
#include "data/manifest.h"
#include "train/early_stopping.h"
#include "train/schedule.h"
#include "train/train_options.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace regatta {

struct TrainingState {
  std::int64_t epoch = 0;  ///< epochs done
  std::int64_t step = 0;   ///< optimiser steps done; keys the dropouts
  double seconds = 0;      ///< of training so far
  std::int64_t epoch_step = 0;               ///< steps done of the epoch under way
  double epoch_loss = 0, epoch_weight = 0;   ///< sums over those steps
  std::vector<std::int64_t> shifts;          ///< GradientReducer::shifts
  EarlyStopping early_stopping;
  ScheduleState schedule;
  std::vector<double> first_losses;  ///< of the first 10 steps
};

nlohmann::ordered_json training_state_to_json(const TrainingState& state);
/// Throws Error(kData) naming `where` for missing or mistyped members.
TrainingState training_state_from_json(const nlohmann::ordered_json& json,
                                       const std::string& where);

/// The part of state.json that says what the model is: effective configuration, dataset digest,
/// features, classes.
nlohmann::ordered_json describe_training(const TrainJob& job,
                                         const Manifest& manifest,
                                         const std::vector<std::string>& classes);

/// The configuration stored in a checkpoint. Throws Error(kData) naming `where`.
TrainJob job_of_checkpoint(const nlohmann::ordered_json& state, const std::string& where);

/// Refuses to resume on another dataset (Error(kData)) or with another model, task, seed, step or
/// optimiser (Error(kUsage)), naming what differs.
void check_resumable(const nlohmann::ordered_json& stored,
                     const nlohmann::ordered_json& now,
                     const std::string& where);

/// Refuses a dataset whose features, edge attributes or classes are not those the checkpoint was
/// trained on (Error(kData)).
void check_dataset_agrees(const nlohmann::ordered_json& stored,
                          const Manifest& manifest,
                          const std::string& where);

}  // namespace regatta
