// The result of a training: summary.json, and what several seeds give together.
#pragma once

#include "tasks/metric_counts.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace regatta {

struct RunSummary {
  Metrics train, validation, test;  ///< of the best model, without dropout
  std::int64_t best_epoch = 0;      ///< 1-based; the last epoch where there is no validation split
  std::int64_t epochs = 0, steps = 0;
  double seconds = 0;               ///< of training, without the final evaluation
  double data_stall_seconds = 0;    ///< waited for chunks, on rank 0
  std::int64_t replayed_steps = 0;  ///< steps of this process that were a captured one's replay
  double reduce_wait_seconds = 0;   ///< waited for gradients, on rank 0
  double checkpoint_wait_seconds = 0;  ///< stood still for checkpoints, on rank 0
  std::int64_t repeated_steps = 0;  ///< steps of this process computed again for a better scale
  std::int64_t resident_mib_before_data = 0;  ///< of rank 0
  int world_size = 1;
  int threads = 1;
  std::int64_t chunks = 0;
  std::int64_t parameters = 0;
  std::string device;
  std::int64_t seed = 0;
  std::string model_digest;          ///< over all parameters' bytes of the best model
  std::vector<double> first_losses;  ///< first 10 step losses
  std::int64_t peak_mib = 0;    ///< resident, of the rank that needed most
  std::int64_t cached_mib = 0;  ///< prepared chunks kept, on rank 0
  nlohmann::ordered_json phases;  ///< phase_report
  nlohmann::ordered_json versions;
};

nlohmann::ordered_json summary_to_json(const RunSummary& summary);

/// Mean and sample standard deviation of accuracy, macro-F1 and loss by split over seeds.
nlohmann::ordered_json summarise_seeds(const std::vector<RunSummary>& runs);

}  // namespace regatta
