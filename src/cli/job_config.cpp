#include "cli/job_config.h"

#include "config/apply_config.h"
#include "config/yaml_loader.h"

#include <algorithm>

namespace regatta {
namespace {

ConfigNode load_tree(const std::string& path, const std::vector<std::string>& overrides) {
  ConfigNode root = load_yaml_file(path);
  for (const std::string& assignment : overrides) apply_override(root, assignment);
  return root;
}

JobConfig read_tree(const ConfigNode& root, JobUse use) {
  JobConfig config;
  OptionGroup group;
  config.declare(group, use);
  apply_config(group, root);
  return config;
}

bool has_key(const ConfigNode& root, const std::string& name) {
  return std::any_of(root.entries.begin(), root.entries.end(), [&name](const auto& entry) {
    return entry.first.scalar == name;
  });
}

}  // namespace

void JobConfig::declare(OptionGroup& group, JobUse use) {
  group
      .text("dataset",
            dataset,
            "folder of the chunks: written by preprocess, read by train; relative to the current "
            "folder")
      .required();
  group.text("output", output, "folder of the run: checkpoints, metrics.jsonl, summary.json");
  group.section("preprocess", preprocess, "raw files and what becomes of them");
  job.declare(group);
  const auto needed = [use](JobUse by) {
    return use == by ? Presence::kRequired : Presence::kOptional;
  };
  group.set_presence("preprocess", needed(JobUse::kPreprocess));
  group.set_presence("model", needed(JobUse::kTrain));
}

JobConfig load_job_config(const std::string& path,
                          const std::vector<std::string>& overrides,
                          JobUse use) {
  return read_tree(load_tree(path, overrides), use);
}

std::vector<std::string> check_job_config(const std::string& path,
                                          const std::vector<std::string>& overrides) {
  const ConfigNode root = load_tree(path, overrides);
  read_tree(root, JobUse::kCheck);
  std::vector<std::string> commands;
  if (has_key(root, "preprocess"))
    commands.push_back("preprocess");
  if (has_key(root, "model"))
    commands.push_back("train");
  return commands;
}

}  // namespace regatta
