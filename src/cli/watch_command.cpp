// `regatta watch`: how far a run is and what its ranks do, from status.json and metrics.jsonl.
#include "cli/command.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/wall_clock.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace regatta {
namespace {

constexpr double kSilence = 30;        ///< seconds without news after which a run looks dead
constexpr std::size_t kMostRanks = 16;  ///< lines; the others are counted
constexpr std::size_t kLossWidth = 60;  ///< epochs in the curve

struct WatchArguments {
  std::string run;
  bool once = false;
};

nlohmann::json read_status(const std::string& run) {
  const std::string path = run + "/status.json";
  if (!std::filesystem::exists(path))
    fail(ExitCode::kData,
         "{}: there is no status.json; give the `output` folder of a training that has begun",
         run);
  const auto status = nlohmann::json::parse(read_file(path, 64 << 20), nullptr, false);
  if (status.is_discarded() || !status.is_object() || !status.contains("ranks"))
    fail(ExitCode::kData, "{}: not a training's status", path);
  return status;
}

std::string number(const nlohmann::json& value, int digits) {
  return value.is_number() ? fmt::format("{:.{}f}", value.get<double>(), digits) : "-";
}

std::string bar(std::int64_t done, std::int64_t all) {
  constexpr std::int64_t kWidth = 30;
  const std::int64_t filled = all > 0 ? std::clamp<std::int64_t>(kWidth * done / all, 0, kWidth) : 0;
  return std::string(static_cast<std::size_t>(filled), '#') +
         std::string(static_cast<std::size_t>(kWidth - filled), '.');
}

/// Loss of the last epochs as eight levels, from the lowest to the highest of them.
std::string loss_curve(const std::string& run) {
  static const char* const kLevels[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::vector<double> losses;
  std::ifstream file(run + "/metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_object() && json.contains("loss") && json["loss"].is_number())
      losses.push_back(json["loss"].get<double>());
  }
  if (losses.empty())
    return "";
  if (losses.size() > kLossWidth)
    losses.erase(losses.begin(), losses.end() - static_cast<std::ptrdiff_t>(kLossWidth));
  const auto [low, high] = std::minmax_element(losses.begin(), losses.end());
  std::string curve;
  for (const double loss : losses)
    curve += kLevels[*high > *low ? static_cast<int>(7.99 * (loss - *low) / (*high - *low)) : 0];
  return fmt::format("loss      {}  {:.4f} to {:.4f}\n", curve, *low, *high);
}

std::string rank_line(const nlohmann::json& rank) {
  return fmt::format("rank {:<5} {:<11} {:>8} s{}  step {}{}\n",
                     rank.value("rank", 0),
                     rank.value("phase", "?"),
                     number(rank.value("seconds", nlohmann::json()), 1),
                     rank.value("waits", false) ? "  waits" : "       ",
                     rank.value("step", std::int64_t{0}),
                     rank.value("silent_seconds", 0.0) > 5
                         ? fmt::format("  last heard {:.0f} s ago", rank.value("silent_seconds", 0.0))
                         : "");
}

std::string view(const std::string& run, const nlohmann::json& status) {
  const double age = seconds_of_1970() - status.value("updated", 0.0);
  const std::string state = status.value("state", "?");
  const auto epoch = status.value("epoch", std::int64_t{0});
  const auto epochs = status.value("epochs", std::int64_t{0});
  const auto step = status.value("step_of_epoch", std::int64_t{0});
  const auto steps = status.value("steps_of_epoch", std::int64_t{0});
  std::string text = fmt::format("{}: {}", run, state);
  if (state == "training" && age > kSilence)
    text += fmt::format(", but nothing was heard of it for {:.0f} s", age);
  text += fmt::format("\nepoch     {} {}/{}\nstep      {} {}/{}  ({} in all, {} s)\n",
                      bar(epoch, epochs),
                      epoch,
                      epochs,
                      bar(step, steps),
                      step,
                      steps,
                      status.value("steps", std::int64_t{0}),
                      number(status.value("seconds", nlohmann::json()), 0));
  text += loss_curve(run);
  if (status.contains("validation"))
    text += fmt::format("validation loss {}, accuracy {}\n",
                        number(status["validation"].value("loss", nlohmann::json()), 4),
                        number(status["validation"].value("accuracy", nlohmann::json()), 4));
  const auto& ranks = status["ranks"];
  for (std::size_t r = 0; r < std::min(ranks.size(), kMostRanks); ++r) text += rank_line(ranks[r]);
  if (ranks.size() > kMostRanks)
    text += fmt::format("and {} ranks more\n", ranks.size() - kMostRanks);
  return text;
}

void watch(const WatchArguments& arguments) {
  const bool live = !arguments.once && isatty(STDOUT_FILENO) != 0;
  for (;;) {
    const nlohmann::json status = read_status(arguments.run);
    const std::string text = view(arguments.run, status);
    std::fputs(((live ? "\033[H\033[2J" : "") + text).c_str(), stdout);
    std::fflush(stdout);
    if (!live || status.value("state", "") != "training")
      return;
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

}  // namespace

void add_watch_command(CLI::App& app, CommandContext&) {
  auto arguments = std::make_shared<WatchArguments>();
  CLI::App* command =
      app.add_subcommand("watch", "a live view of a training: epochs, loss, what each rank does");
  command->add_option("RUN", arguments->run, "the training's `output` folder")->required();
  command->add_flag("--once", arguments->once, "print the state once, as without a terminal");
  command->callback([arguments] { watch(*arguments); });
}

}  // namespace regatta
