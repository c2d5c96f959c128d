#include "train/status_file.h"

#include "core/log.h"
#include "core/wall_clock.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <utility>

namespace regatta {
namespace {

constexpr double kPause = 2;  ///< seconds between two writes

nlohmann::ordered_json finite_or_null(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json rank_to_json(std::size_t rank, const RankHeartbeat& heartbeat) {
  const ProgressSnapshot& p = heartbeat.progress;
  return {{"rank", rank},
          {"phase", phase_name(static_cast<Phase>(p.phase))},
          {"waits", p.in_collective != 0},
          {"seconds", p.in_collective != 0 ? p.wait_seconds : p.phase_seconds},
          {"step", p.step},
          {"collectives", p.collectives},
          {"silent_seconds", heartbeat.silent_seconds}};
}

}  // namespace

StatusFile::StatusFile(std::string path) : path_(std::move(path)) {}

void StatusFile::epoch(std::int64_t epoch, std::int64_t steps) {
  const std::lock_guard lock(mutex_);
  epoch_ = epoch;
  epoch_steps_ = steps;
  epoch_step_ = 0;
}

void StatusFile::step(std::int64_t step_of_epoch, std::int64_t steps_done, double loss) {
  const std::lock_guard lock(mutex_);
  epoch_step_ = step_of_epoch;
  steps_ = steps_done;
  loss_ = loss;
}

void StatusFile::validation(double loss, double accuracy) {
  const std::lock_guard lock(mutex_);
  validated_ = true;
  validation_loss_ = loss;
  validation_accuracy_ = accuracy;
}

void StatusFile::ranks(const std::vector<RankHeartbeat>& table) {
  const std::lock_guard lock(mutex_);
  const bool first = table_.empty();
  table_ = table;
  if (first || since_write_.seconds() >= kPause)
    write();
}

void StatusFile::end(const std::string& state) {
  const std::lock_guard lock(mutex_);
  state_ = state;
  write();
}

void StatusFile::write() {
  since_write_.restart();
  nlohmann::ordered_json json = {{"state", state_},
                                 {"updated", seconds_of_1970()},
                                 {"seconds", since_start_.seconds()},
                                 {"epoch", epoch_},
                                 {"epochs", epochs_},
                                 {"step_of_epoch", epoch_step_},
                                 {"steps_of_epoch", epoch_steps_},
                                 {"steps", steps_},
                                 {"loss", finite_or_null(loss_)}};
  if (validated_)
    json["validation"] = {{"loss", finite_or_null(validation_loss_)},
                          {"accuracy", finite_or_null(validation_accuracy_)}};
  json["ranks"] = nlohmann::ordered_json::array();
  for (std::size_t r = 0; r < table_.size(); ++r)
    json["ranks"].push_back(rank_to_json(r, table_[r]));
  const std::string temporary = path_ + ".tmp";
  std::ofstream file(temporary, std::ios::trunc);
  file << json.dump(2) << "\n";
  file.close();
  std::error_code error;
  if (file)
    std::filesystem::rename(temporary, path_, error);
  if ((!file || error) && !std::exchange(faulty_, true))
    log::warn("{} cannot be written; the training goes on", path_);
}

}  // namespace regatta
