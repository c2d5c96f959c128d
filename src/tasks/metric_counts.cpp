#include "tasks/metric_counts.h"

#include <nlohmann/json.hpp>

namespace regatta {

nlohmann::ordered_json metrics_to_json(const Metrics& metrics) {
  return {{"loss", metrics.loss},
          {"accuracy", metrics.accuracy},
          {"macro_f1", metrics.macro_f1},
          {"count", metrics.count}};
}

void MetricCounts::add(const MetricCounts& other) {
  for (std::size_t i = 0; i < confusion.size(); ++i) confusion[i] += other.confusion[i];
  loss_sum += other.loss_sum;
  weight_sum += other.weight_sum;
}

Metrics MetricCounts::metrics() const {
  Metrics result;
  std::int64_t correct = 0;
  double f1_sum = 0;
  for (std::int64_t c = 0; c < classes; ++c) {
    std::int64_t truth = 0, predicted = 0;
    for (std::int64_t k = 0; k < classes; ++k) {
      truth += confusion[static_cast<std::size_t>(c * classes + k)];
      predicted += confusion[static_cast<std::size_t>(k * classes + c)];
    }
    const std::int64_t hit = confusion[static_cast<std::size_t>(c * classes + c)];
    correct += hit;
    result.count += truth;
    if (truth + predicted > 0) {
      f1_sum += 2.0 * static_cast<double>(hit) / static_cast<double>(truth + predicted);
    }
  }
  if (result.count > 0)
    result.accuracy = static_cast<double>(correct) / static_cast<double>(result.count);
  if (classes > 0)
    result.macro_f1 = f1_sum / static_cast<double>(classes);
  if (weight_sum > 0)
    result.loss = loss_sum / weight_sum;
  return result;
}

}  // namespace regatta
