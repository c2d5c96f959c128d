#include "train/metrics_log.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"

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

}  // namespace

MetricsLog::MetricsLog(const std::string& folder, bool writes, std::int64_t keep_epochs)
    : path_(folder + "/metrics.jsonl"),
      writes_(writes),
      terminal_(writes && isatty(STDERR_FILENO) != 0) {
  if (!writes_)
    return;
  const bool keeps = keep_epochs > 0 && std::filesystem::exists(path_);
  replace_file(path_, keeps ? kept_lines(path_, keep_epochs) : "");
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
