// `regatta inspect`: what is in a dataset.
#include "cli/command.h"
#include "core/log.h"
#include "data/dataset_report.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>

namespace regatta {
namespace {

struct InspectArguments {
  std::string folder;
  bool json = false;
};

void run_inspect(const InspectArguments& arguments) {
  const Dataset dataset(arguments.folder);
  const DatasetReport report = inspect_dataset(dataset);
  log::result_text(arguments.json ? report_to_json(report, dataset).dump(1)
                                  : report_to_text(report, dataset));
}

}  // namespace

void add_inspect_command(CLI::App& app, CommandContext& context) {
  auto arguments = std::make_shared<InspectArguments>();
  CLI::App* command = app.add_subcommand("inspect", "show what is in a dataset");
  command->add_option("DIR", arguments->folder, "folder with manifest.json")->required();
  command->add_flag("--json", arguments->json, "print one JSON object");
  command->callback([arguments] { run_inspect(*arguments); });
}

}  // namespace regatta
