// Metrics as counts, which merge over micro-batches and ranks without averages of averages.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace regatta {

/// What a person reads. macro_f1: mean over classes of 2TP/(2TP+FP+FN), 0 for a class with an empty
/// denominator, as scikit-learn's f1_score(average="macro", zero_division=0) over all classes.
struct Metrics {
  double loss = 0;
  double accuracy = 0;
  double macro_f1 = 0;
  std::int64_t count = 0;
};
nlohmann::ordered_json metrics_to_json(const Metrics& metrics);

/// Confusion matrix [C,C] (row = truth, column = prediction) and the weighted loss.
struct MetricCounts {
  explicit MetricCounts(std::int64_t classes = 0)
      : classes(classes), confusion(static_cast<std::size_t>(classes * classes), 0) {}
  std::int64_t classes;
  std::vector<std::int64_t> confusion;
  double loss_sum = 0;    ///< sum of w_t * l_t
  double weight_sum = 0;  ///< sum of w_t

  void add(const MetricCounts& other);
  Metrics metrics() const;
};

}  // namespace regatta
