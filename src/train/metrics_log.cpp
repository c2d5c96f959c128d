#include "train/metrics_log.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/wall_clock.h"

namespace regatta {
namespace {

/// Lines of the first `epochs` epochs; an unfinished last line of a killed run is dropped as well.
std::string kept_lines(const std::string& path, std::int64_t epochs) {
  std::string kept, line;
  std::ifstream old(path);
  while (std::getline(old, line)) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_discarded() || !json.contains("epoch"))
      continue;
    if (json["epoch"].get<std::int64_t>() <= epochs)
      kept += line + "\n";
  }
  return kept;
}

/// Numbers of a line, those of members as "val/accuracy".
Scalars scalars_of(const nlohmann::json& line, const std::string& prefix = "") {
  Scalars scalars;
  for (const auto& [name, value] : line.items()) {
    if (value.is_number() && name != "epoch" && name != "time")
      scalars.emplace_back(prefix + name, value.get<double>());
    if (value.is_object()) {
      const Scalars inner = scalars_of(value, prefix + name + "/");
      scalars.insert(scalars.end(), inner.begin(), inner.end());
    }
  }
  return scalars;
}

void add_event(EventFile& events, const nlohmann::json& line) {
  events.add(line.value("time", 0.0), line["epoch"].get<std::int64_t>(), scalars_of(line));
}

/// An empty file in place of all that were there: TensorBoard reads every file of the folder.
std::unique_ptr<EventFile> start_events(const std::string& folder) {
  std::error_code none;
  std::filesystem::remove_all(folder, none);
  make_folders(folder);
  return std::make_unique<EventFile>(
      fmt::format("{}/events.out.tfevents.{:.0f}.regatta", folder, seconds_of_1970()));
}

}  // namespace

MetricsLog::MetricsLog(const std::string& folder, bool writes, std::int64_t keep_epochs)
    : path_(folder + "/metrics.jsonl"),
      writes_(writes),
      terminal_(writes && isatty(STDERR_FILENO) != 0) {
  if (!writes_)
    return;
  const bool keeps = keep_epochs > 0 && std::filesystem::exists(path_);
  const std::string kept = keeps ? kept_lines(path_, keep_epochs) : "";
  replace_file(path_, kept);
  events_ = start_events(folder + "/tensorboard");
  std::istringstream lines(kept);
  for (std::string line; std::getline(lines, line);) add_event(*events_, nlohmann::json::parse(line));
  file_.open(path_, std::ios::app);
  if (!file_)
    fail(ExitCode::kStorage, "{}: cannot be opened for writing", path_);
}

void MetricsLog::epoch(const EpochReport& report) {
  if (!writes_)
    return;
  if (line_open_)
    std::fputs("\r\033[K", stderr);
  line_open_ = false;
  std::string line =
      fmt::format("Epoch {}/{}, Loss: {:.4f}", report.epoch, report.epochs, report.loss);
  nlohmann::ordered_json json = {{"epoch", report.epoch},
                                 {"time", seconds_of_1970()},
                                 {"loss", report.loss},
                                 {"learning_rate", report.learning_rate},
                                 {"grad_norm", report.grad_norm},
                                 {"steps", report.steps},
                                 {"seconds", report.seconds}};
  if (report.validation) {
    line += fmt::format(", Val loss: {:.4f}, Val accuracy: {:.4f}, Val macro-F1: {:.4f}",
                        report.validation->loss,
                        report.validation->accuracy,
                        report.validation->macro_f1);
    json["val"] = metrics_to_json(*report.validation);
  }
  log::result("{}, Time: {:.3f} s", line, report.seconds);
  file_ << json.dump() << '\n';
  file_.flush();
  if (!file_)
    fail(ExitCode::kStorage, "{}: writing failed; is the disk full?", path_);
  add_event(*events_, json);
}

void MetricsLog::progress(std::int64_t epoch, std::int64_t step, std::int64_t steps) {
  if (!terminal_)
    return;
  std::fprintf(stderr,
               "\r\033[Kepoch %lld: step %lld/%lld",
               static_cast<long long>(epoch),
               static_cast<long long>(step),
               static_cast<long long>(steps));
  std::fflush(stderr);
  line_open_ = true;
}

}  // namespace regatta
