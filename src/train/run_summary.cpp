#include "train/run_summary.h"

#include <cmath>
#include <functional>

namespace regatta {
namespace {

using Json = nlohmann::ordered_json;

Json mean_and_deviation(const std::vector<RunSummary>& runs,
                        const std::function<double(const RunSummary&)>& value) {
  double mean = 0, squares = 0;
  Json values = Json::array();
  for (const RunSummary& run : runs) {
    mean += value(run) / static_cast<double>(runs.size());
    values.push_back(value(run));
  }
  for (const RunSummary& run : runs) squares += std::pow(value(run) - mean, 2);
  const double deviation =
      runs.size() > 1 ? std::sqrt(squares / static_cast<double>(runs.size() - 1)) : 0.0;
  return {{"mean", mean}, {"std", deviation}, {"values", values}};
}

}  // namespace

Json summary_to_json(const RunSummary& s) {
  return {{"test", metrics_to_json(s.test)},
          {"val", metrics_to_json(s.validation)},
          {"train", metrics_to_json(s.train)},
          {"best_epoch", s.best_epoch},
          {"epochs", s.epochs},
          {"steps", s.steps},
          {"seconds", s.seconds},
          {"seconds_per_step", s.steps > 0 ? s.seconds / static_cast<double>(s.steps) : 0.0},
          {"data_stall_seconds", s.data_stall_seconds},
          {"reduce_wait_seconds", s.reduce_wait_seconds},
          {"checkpoint_wait_seconds", s.checkpoint_wait_seconds},
          {"repeated_steps", s.repeated_steps},
          {"replayed_steps", s.replayed_steps},
          {"resident_mib_before_data", s.resident_mib_before_data},
          {"peak_mib", s.peak_mib},
          {"cached_mib", s.cached_mib},
          {"world_size", s.world_size},
          {"threads", s.threads},
          {"chunks", s.chunks},
          {"parameters", s.parameters},
          {"device", s.device},
          {"seed", s.seed},
          {"model_digest", s.model_digest},
          {"first_losses", s.first_losses},
          {"phases", s.phases},
          {"versions", s.versions}};
}

Json summarise_seeds(const std::vector<RunSummary>& runs) {
  Json json = {{"seeds", runs.size()}};
  const auto add = [&](const char* split, auto metrics_of) {
    json[split]["accuracy"] =
        mean_and_deviation(runs, [&](const RunSummary& r) { return metrics_of(r).accuracy; });
    json[split]["macro_f1"] =
        mean_and_deviation(runs, [&](const RunSummary& r) { return metrics_of(r).macro_f1; });
    json[split]["loss"] =
        mean_and_deviation(runs, [&](const RunSummary& r) { return metrics_of(r).loss; });
  };
  add("test", [](const RunSummary& r) { return r.test; });
  add("val", [](const RunSummary& r) { return r.validation; });
  add("train", [](const RunSummary& r) { return r.train; });
  json["epochs"] =
      mean_and_deviation(runs, [](const RunSummary& r) { return static_cast<double>(r.epochs); });
  json["seconds"] = mean_and_deviation(runs, [](const RunSummary& r) { return r.seconds; });
  return json;
}

}  // namespace regatta
