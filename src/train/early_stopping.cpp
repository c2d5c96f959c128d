#include "train/early_stopping.h"

#include <algorithm>

namespace regatta {

bool EarlyStopping::observe(const Metrics& validation,
                            std::int64_t epoch,
                            std::int64_t epochs_since) {
  const bool accuracy_good = validation.accuracy >= best_accuracy;
  const bool loss_good = validation.loss <= best_loss;
  if (!accuracy_good && !loss_good) {
    waited += epochs_since;
    return false;
  }
  waited = 0;
  best_accuracy = std::max(best_accuracy, validation.accuracy);
  best_loss = std::min(best_loss, validation.loss);
  if (!(accuracy_good && loss_good))
    return false;
  best_epoch = epoch;
  return true;
}

}  // namespace regatta
