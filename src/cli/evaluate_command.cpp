// `regatta evaluate`: metrics of a checkpoint on any split of any dataset with the same features
// and classes.
#include "cli/command.h"
#include "core/file.h"
#include "core/log.h"
#include "train/model_checkpoint.h"
#include "train/model_session.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <vector>

namespace regatta {
namespace {

struct EvaluateArguments {
  ModelSessionArguments session;
  std::vector<std::string> splits{"train", "val", "test"};
  bool json = false;
};

void run_evaluate(const EvaluateArguments& arguments, CommandContext& context) {
  Communicator& world = context.world();
  std::vector<Split> splits;
  for (const std::string& name : arguments.splits) splits.push_back(split_from_name(name));
  ModelSession session(arguments.session, ModelUse::kEvaluate, world);
  const SplitMetrics metrics = evaluate_model(*session.loaded.model,
                                              *session.task,
                                              *session.store,
                                              splits,
                                              chunk_costs(session.store->dataset().manifest()),
                                              world);
  nlohmann::ordered_json json;
  for (const Split split : splits) {
    const Metrics& m = metrics[static_cast<std::size_t>(split)];
    json[split_name(split)] = metrics_to_json(m);
    if (!arguments.json) {
      log::result("{:<5} accuracy {:.4f}, macro-F1 {:.4f}, loss {:.4f}, {} nodes",
                  split_name(split),
                  m.accuracy,
                  m.macro_f1,
                  m.loss,
                  m.count);
    }
  }
  if (arguments.json)
    log::result_text(json.dump(2));
}

}  // namespace

void add_evaluate_command(CLI::App& app, CommandContext& context) {
  auto arguments = std::make_shared<EvaluateArguments>();
  CLI::App* command = app.add_subcommand("evaluate", "metrics of a trained model on a dataset");
  command
      ->add_option("MODEL", arguments->session.checkpoint, "checkpoint folder, or a run's folder")
      ->required();
  command->add_option("DATASET", arguments->session.dataset, "folder with manifest.json")
      ->required();
  command->add_option("--split", arguments->splits, "train, val or test (repeatable; default all)")
      ->allow_extra_args(false);
  command->add_option("--set", arguments->session.overrides, "change a runtime, read or task key")
      ->option_text("KEY=VALUE")
      ->allow_extra_args(false);
  command->add_flag("--json", arguments->json, "print one JSON object");
  command->callback([arguments, &context] { run_evaluate(*arguments, context); });
}

}  // namespace regatta
