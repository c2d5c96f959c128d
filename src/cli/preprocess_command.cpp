// `regatta preprocess`: raw files to a dataset of chunks.
#include "cli/command.h"
#include "cli/job_config.h"
#include "cli/option_reference.h"
#include "core/log.h"
#include "core/timer.h"
#include "preprocess/pipeline.h"

#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <vector>

namespace regatta {
namespace {

struct PreprocessArguments {
  std::string config;
  std::vector<std::string> overrides;
};

void run_preprocess(const PreprocessArguments& arguments, CommandContext& context) {
  const Timer timer;
  Communicator& world = context.world();
  const JobConfig config =
      load_job_config(arguments.config, arguments.overrides, JobUse::kPreprocess);
  const Manifest manifest = preprocess_dataset(config.preprocess, config.dataset, world);
  log::result("{}: {} nodes, {} edges in {} chunk{} ({:.2f} s)",
              config.dataset,
              manifest.nodes,
              manifest.edges,
              manifest.chunks.size(),
              manifest.chunks.size() == 1 ? "" : "s",
              timer.seconds());
}

}  // namespace

void add_preprocess_command(CLI::App& app, CommandContext& context) {
  auto arguments = std::make_shared<PreprocessArguments>();
  CLI::App* command = app.add_subcommand(
      "preprocess", "turn raw files into a dataset of chunks (alone, or with mpirun)");
  command->add_option("CONFIG", arguments->config, "YAML file")->required();
  command->add_option("--set", arguments->overrides, "change a key of CONFIG (repeatable)")
      ->option_text("KEY=VALUE")
      ->allow_extra_args(false);
  command->footer([] { return option_help(JobUse::kPreprocess); });
  command->callback([arguments, &context] { run_preprocess(*arguments, context); });
}

}  // namespace regatta
