// The published GAT rule (Velickovic et al. 2018): stop when neither validation loss nor accuracy
// improved for `patience` epochs; keep the last epoch at which both were at their best.
#pragma once

#include <cstdint>
#include <limits>

#include "tasks/metric_counts.h"

namespace regatta {

struct EarlyStopping {
  double best_loss = std::numeric_limits<double>::infinity();
  double best_accuracy = -1;
  std::int64_t waited = 0;      ///< epochs since either improved
  std::int64_t best_epoch = 0;  ///< 1-based; 0 = none yet

  /// Takes the validation of `epoch` (1-based, `epochs_since` epochs after the last one); true when
  /// this epoch is the one to keep.
  bool observe(const Metrics& validation, std::int64_t epoch, std::int64_t epochs_since);
  bool should_stop(std::int64_t patience) const { return patience > 0 && waited >= patience; }
};

}  // namespace regatta
