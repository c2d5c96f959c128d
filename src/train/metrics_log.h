// What a training tells while it runs: metrics.jsonl, TensorBoard's events, the epoch lines, and a
// live line on a terminal.
#pragma once

#include <cstdint>
#include <fstream>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "tasks/metric_counts.h"
#include "train/event_file.h"

namespace regatta {

struct EpochReport {
  std::int64_t epoch = 0, epochs = 0;  ///< 1-based
  double loss = 0;                     ///< of the training steps, weighted mean
  std::optional<Metrics> validation;
  double learning_rate = 0;
  double seconds = 0;
  std::int64_t steps = 0;  ///< so far
  double grad_norm = 0;    ///< of the last step
};

/// Rank 0 writes; on other ranks every call is a no-op.
class MetricsLog {
 public:
  /// Opens FOLDER/metrics.jsonl and FOLDER/tensorboard/events.out.tfevents.*, which holds the same.
  /// With `keep_epochs` > 0 (resume) what is of later epochs is dropped, else both start empty.
  /// Throws Error(kStorage).
  MetricsLog(const std::string& folder, bool writes, std::int64_t keep_epochs);

  /// "Epoch 1/200, Loss: 1.9459, Val loss: ..., Val accuracy: ..., Time: 0.01 s" and a line of
  /// JSON.
  void epoch(const EpochReport& report);
  /// A live line on standard error when that is a terminal.
  void progress(std::int64_t epoch, std::int64_t step, std::int64_t steps);

 private:
  std::string path_;
  std::ofstream file_;
  std::unique_ptr<EventFile> events_;
  bool writes_;
  bool terminal_;
  bool line_open_ = false;
};

}  // namespace regatta
