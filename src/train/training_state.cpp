#include "train/training_state.h"

#include "core/error.h"

#include <fmt/ranges.h>

#include <cmath>
#include <limits>

namespace regatta {
namespace {

using Json = nlohmann::ordered_json;

/// JSON has no infinity; null stands for it.
Json finite_or_null(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}
double number_or_infinity(const Json& json) {
  return json.is_null() ? std::numeric_limits<double>::infinity() : json.get<double>();
}

double number_or_nan(const Json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

void check_equal(const Json& stored, const Json& now, const char* path, const std::string& where) {
  const Json::json_pointer pointer(path);
  const Json before = stored.contains(pointer) ? stored.at(pointer) : Json();
  const Json after = now.contains(pointer) ? now.at(pointer) : Json();
  if (before == after)
    return;
  std::string key(path + sizeof("/config"));
  for (char& c : key) c = c == '/' ? '.' : c;
  fail(ExitCode::kUsage,
       "{}: cannot resume with another {}: the checkpoint has {}, the configuration {}; start anew "
       "with train.init_from to keep only the weights",
       where,
       key,
       before.dump(),
       after.dump());
}

Json losses_to_json(const std::vector<double>& losses) {
  Json json = Json::array();
  for (const double loss : losses) json.push_back(finite_or_null(loss));
  return json;
}

/// A loss that was not finite (a skipped step) comes back as NaN.
std::vector<double> losses_from_json(const Json& json) {
  std::vector<double> losses;
  for (const Json& loss : json) losses.push_back(number_or_nan(loss));
  return losses;
}

}  // namespace

Json training_state_to_json(const TrainingState& state) {
  return {{"epoch", state.epoch},
          {"step", state.step},
          {"seconds", state.seconds},
          {"epoch_step", state.epoch_step},
          {"epoch_loss", finite_or_null(state.epoch_loss)},
          {"epoch_weight", state.epoch_weight},
          {"shifts", state.shifts},
          {"early_stopping",
           {{"best_loss", finite_or_null(state.early_stopping.best_loss)},
            {"best_accuracy", state.early_stopping.best_accuracy},
            {"waited", state.early_stopping.waited},
            {"best_epoch", state.early_stopping.best_epoch}}},
          {"schedule",
           {{"factor", state.schedule.factor},
            {"best_loss", finite_or_null(state.schedule.best_loss)},
            {"waited", state.schedule.waited}}},
          {"first_losses", losses_to_json(state.first_losses)}};
}

TrainingState training_state_from_json(const Json& json, const std::string& where) {
  try {
    const Json& at = json.at("training");
    TrainingState state;
    state.epoch = at.at("epoch").get<std::int64_t>();
    state.step = at.at("step").get<std::int64_t>();
    state.seconds = at.at("seconds").get<double>();
    if (at.contains("epoch_step")) {  // checkpoints of before could only end an epoch
      state.epoch_step = at.at("epoch_step").get<std::int64_t>();
      state.epoch_loss = number_or_nan(at.at("epoch_loss"));
      state.epoch_weight = at.at("epoch_weight").get<double>();
      state.shifts = at.at("shifts").get<std::vector<std::int64_t>>();
    }
    const Json& stopping = at.at("early_stopping");
    state.early_stopping.best_loss = number_or_infinity(stopping.at("best_loss"));
    state.early_stopping.best_accuracy = stopping.at("best_accuracy").get<double>();
    state.early_stopping.waited = stopping.at("waited").get<std::int64_t>();
    state.early_stopping.best_epoch = stopping.at("best_epoch").get<std::int64_t>();
    const Json& schedule = at.at("schedule");
    state.schedule.factor = schedule.at("factor").get<double>();
    state.schedule.best_loss = number_or_infinity(schedule.at("best_loss"));
    state.schedule.waited = schedule.at("waited").get<std::int64_t>();
    state.first_losses = losses_from_json(at.at("first_losses"));
    return state;
  } catch (const nlohmann::json::exception& problem) {
    fail(ExitCode::kData, "{}/state.json: not a training state: {}", where, problem.what());
  }
}

Json describe_training(const TrainJob& job,
                       const Manifest& manifest,
                       const std::vector<std::string>& classes) {
  TrainJob copy = job;
  OptionGroup group;
  copy.declare(group);
  return {{"format", "regatta-checkpoint"},
          {"version", 1},
          {"config", group.values()},
          {"dataset",
           {{"digest", dataset_digest(manifest)},
            {"feature_kind", manifest.feature_kind},
            {"feature_width", manifest.feature_width},
            {"edge_feature_width", manifest.edge_features.width},
            {"edge_feature_names", manifest.edge_features.names},
            {"edge_types", manifest.edge_types.names},
            {"classes", classes}}}};
}

TrainJob job_of_checkpoint(const Json& state, const std::string& where) {
  if (!state.contains("config") || state.value("format", "") != "regatta-checkpoint") {
    fail(ExitCode::kData, "{}/state.json: not written by a Regatta training", where);
  }
  if (state.value("version", 0) != 1) {
    fail(ExitCode::kData,
         "{}/state.json: version {} found, this Regatta reads version 1; use a newer one",
         where,
         state.value("version", 0));
  }
  TrainJob job;
  OptionGroup group;
  job.declare(group);
  group.apply(config_node_from_json(state.at("config"), where + "/state.json"));
  return job;
}

void check_resumable(const Json& stored, const Json& now, const std::string& where) {
  const auto digest = Json::json_pointer("/dataset/digest");
  if (!stored.contains(digest) || stored.at(digest) != now.at(digest)) {
    fail(ExitCode::kData,
         "{}: the checkpoint belongs to another dataset (digest {} there, {} here); use the "
         "dataset it was "
         "trained on, or train.init_from",
         where,
         stored.contains(digest) ? stored.at(digest).dump() : "none",
         now.at(digest).dump());
  }
  for (const char* path : {"/config/model",
                           "/config/task",
                           "/config/train/seed",
                           "/config/train/step",
                           "/config/train/optimiser",
                           "/config/train/schedule",
                           "/config/train/clip_norm",
                           "/config/runtime/precision"}) {
    check_equal(stored, now, path, where);
  }
}

namespace {

void check_edge_attributes_agree(const Json& dataset,
                                 const Manifest& manifest,
                                 const std::string& where) {
  constexpr const char* kRemedy =
      "preprocess it with the same edges.features and edges.type, and features.fit_from: the "
      "training's dataset";
  const ManifestEdgeFeatures& features = manifest.edge_features;
  // Checkpoints of before edges had features say nothing of them.
  if (const auto width = dataset.value("edge_feature_width", std::int64_t{0});
      width != features.width) {
    fail(ExitCode::kData,
         "{}: the model was trained on {} features an edge, the dataset has {}; {}",
         where,
         width,
         features.width,
         kRemedy);
  }
  const auto names = dataset.value("edge_feature_names", std::vector<std::string>{});
  if (!names.empty() && !features.names.empty() && names != features.names) {
    fail(ExitCode::kData,
         "{}: the model was trained on the edge features {}, the dataset has {}; {}",
         where,
         fmt::join(names, ", "),
         fmt::join(features.names, ", "),
         kRemedy);
  }
  if (const auto types = dataset.value("edge_types", std::vector<std::string>{});
      types != manifest.edge_types.names) {
    fail(ExitCode::kData,
         "{}: the dataset's edge types ({}) are not those the model was trained on ({}); {}",
         where,
         manifest.edge_types.names.size(),
         types.size(),
         kRemedy);
  }
}

}  // namespace

void check_dataset_agrees(const Json& stored, const Manifest& manifest, const std::string& where) {
  if (!stored.contains("dataset"))
    fail(ExitCode::kData, "{}/state.json: no dataset description", where);
  const Json& dataset = stored.at("dataset");
  const auto width = dataset.value("feature_width", std::int64_t{-1});
  if (width != manifest.feature_width) {
    fail(ExitCode::kData,
         "{}: the model was trained on {} features a node, the dataset has {}; preprocess it with "
         "features.fit_from: the training's dataset",
         where,
         width,
         manifest.feature_width);
  }
  check_edge_attributes_agree(dataset, manifest, where);
  const auto classes = dataset.value("classes", std::vector<std::string>{});
  for (const auto& [name, target] : manifest.targets) {
    if (target.kind == "class" && target.classes != classes) {
      fail(ExitCode::kData,
           "{}: the classes of target '{}' are not those the model was trained on; preprocess the "
           "dataset with features.fit_from: the training's dataset",
           where,
           name);
    }
  }
}

}  // namespace regatta
