// `regatta checkpoint`: what a run has kept, whether it is whole, and its weights for others.
#include "checkpoint/checkpoint_store.h"
#include "cli/command.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "train/model_checkpoint.h"
#include "train/pyg_export.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace regatta {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct CheckpointArguments {
  std::string folder;
  bool json = false;
  std::string output;
  std::string layout = "regatta";
};

/// One line of `list` and `verify`.
struct Entry {
  StoredCheckpoint stored;
  std::string fault;  ///< empty: whole
  ordered_json training;
  std::string digest;
};

Entry examine(const StoredCheckpoint& stored) {
  Entry entry{stored, "", {}, ""};
  try {
    const Checkpoint checkpoint = read_resumable(stored.folder);
    entry.digest = tensors_digest(checkpoint.model);
    entry.training = checkpoint.state.value("training", ordered_json::object());
  } catch (const Error& error) {
    entry.fault = error.what();
  }
  return entry;
}

/// The checkpoints of a run, newest first; of a single checkpoint's folder, itself.
std::vector<StoredCheckpoint> checkpoints_of(const std::string& folder) {
  if (!fs::is_directory(folder + "/checkpoints")) {
    if (!fs::exists(folder))
      fail(ExitCode::kData, "{}: no such folder; give a run's `output` or a checkpoint", folder);
    return {{0, 0, folder}};
  }
  std::vector<StoredCheckpoint> stored = resumable_checkpoints(folder);
  if (stored.empty())
    fail(ExitCode::kData, "{}: the run has no checkpoint", folder);
  return stored;
}

ordered_json entry_to_json(const Entry& entry) {
  ordered_json json = {{"folder", entry.stored.folder}, {"attempt", entry.stored.attempt}};
  if (!entry.fault.empty()) {
    json["fault"] = entry.fault;
    return json;
  }
  json["epoch"] = entry.training.value("epoch", std::int64_t{0});
  json["step"] = entry.training.value("step", std::int64_t{0});
  json["seconds"] = entry.training.value("seconds", 0.0);
  json["model_digest"] = entry.digest;
  return json;
}

std::string entry_to_text(const Entry& entry) {
  if (!entry.fault.empty())
    return fmt::format("{}  UNUSABLE: {}", entry.stored.folder, entry.fault);
  return fmt::format("{}  epoch {}, step {}, {:.1f} s of training, model digest {}",
                     entry.stored.folder,
                     entry.training.value("epoch", std::int64_t{0}),
                     entry.training.value("step", std::int64_t{0}),
                     entry.training.value("seconds", 0.0),
                     entry.digest);
}

/// Returns the number of unusable ones.
std::size_t report(const CheckpointArguments& arguments) {
  std::size_t faults = 0;
  ordered_json all = ordered_json::array();
  for (const StoredCheckpoint& stored : checkpoints_of(arguments.folder)) {
    const Entry entry = examine(stored);
    faults += entry.fault.empty() ? 0 : 1;
    if (arguments.json)
      all.push_back(entry_to_json(entry));
    else
      log::result_text(entry_to_text(entry));
  }
  if (arguments.json)
    log::result_text(all.dump(2));
  return faults;
}

void verify(const CheckpointArguments& arguments) {
  if (const std::size_t faults = report(arguments); faults > 0)
    fail(ExitCode::kData, "{}: {} checkpoints cannot be used", arguments.folder, faults);
}

void export_weights(const CheckpointArguments& arguments) {
  const std::string from = checkpoint_folder(arguments.folder);
  const Checkpoint checkpoint = read_checkpoint(from);
  const NamedTensors tensors =
      arguments.layout == "pyg" ? pyg_tensors(checkpoint, from) : checkpoint.model;
  const std::string temporary = arguments.output + ".tmp";
  write_safetensors(temporary, tensors, {{"format", "pt"}});
  publish_file(temporary, arguments.output);
  log::result("{} tensors of {} in {}", tensors.size(), from, arguments.output);
}

}  // namespace

void add_checkpoint_command(CLI::App& app, CommandContext&) {
  auto arguments = std::make_shared<CheckpointArguments>();
  CLI::App* command =
      app.add_subcommand("checkpoint", "list, verify and export the checkpoints of a run");
  command->require_subcommand(1);
  const auto add = [&](const char* name, const char* what) {
    CLI::App* sub = command->add_subcommand(name, what);
    sub->add_option("FOLDER", arguments->folder, "a run's folder, or a checkpoint's")->required();
    return sub;
  };
  CLI::App* list = add("list", "what a run may go on from, newest first");
  list->add_flag("--json", arguments->json, "print JSON");
  list->callback([arguments] { report(*arguments); });
  CLI::App* check = add("verify", "the same; exit code 3 where one cannot be used");
  check->add_flag("--json", arguments->json, "print JSON");
  check->callback([arguments] { verify(*arguments); });
  CLI::App* weights = add("export", "weights of the best model as one safetensors file");
  weights->add_option("--output", arguments->output, "file to write")->required();
  weights
      ->add_option("--layout",
                   arguments->layout,
                   "regatta: our names; pyg: for a ModuleList of PyG's layers")
      ->check(CLI::IsMember({"regatta", "pyg"}));
  weights->callback([arguments] { export_weights(*arguments); });
}

}  // namespace regatta
