// `regatta config`: tests a configuration, or prints the reference of all keys.
#include "cli/command.h"
#include "cli/job_config.h"
#include "cli/option_reference.h"
#include "core/error.h"
#include "core/log.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <string>
#include <vector>

namespace regatta {
namespace {

struct ConfigArguments {
  std::string check;
  std::vector<std::string> overrides;
  bool reference = false;
};

void run_config(const ConfigArguments& arguments) {
  if (arguments.reference) {
    std::string text = option_reference();
    text.pop_back();  // result() ends the line
    log::result_text(text);
    return;
  }
  if (arguments.check.empty()) {
    fail(ExitCode::kUsage, "regatta config: expected --check FILE or --reference");
  }
  const auto commands = check_job_config(arguments.check, arguments.overrides);
  if (commands.empty()) {
    log::result("{}: no fault, but neither `preprocess` nor `model` is there", arguments.check);
    return;
  }
  log::result(
      "{}: no fault; serves regatta {}", arguments.check, fmt::join(commands, " and regatta "));
}

}  // namespace

void add_config_command(CLI::App& app, CommandContext& context) {
  auto arguments = std::make_shared<ConfigArguments>();
  CLI::App* command = app.add_subcommand("config", "test a configuration, or list all its keys");
  auto* reference =
      command->add_flag("--reference", arguments->reference, "print docs/config.md: every key");
  command->add_option("--check", arguments->check, "report every fault of this configuration")
      ->option_text("FILE")
      ->excludes(reference);
  command->add_option("--set", arguments->overrides, "change a key before the test (repeatable)")
      ->option_text("KEY=VALUE")
      ->allow_extra_args(false);
  command->callback([arguments] { run_config(*arguments); });
}

}  // namespace regatta
