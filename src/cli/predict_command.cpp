// `regatta predict`: classes, probabilities and embeddings for every node of a dataset.
#include "cli/command.h"
#include "core/error.h"
#include "core/log.h"
#include "train/model_session.h"
#include "train/predictor.h"

#include <CLI/CLI.hpp>

#include <memory>
#include <string>

namespace regatta {
namespace {

struct PredictArguments {
  ModelSessionArguments session;
  std::string output;
  PredictionColumns columns;
};

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

void run_predict(const PredictArguments& arguments, CommandContext& context) {
  const bool hdf5 = ends_with(arguments.output, ".h5") || ends_with(arguments.output, ".hdf5");
  if (!hdf5 && !ends_with(arguments.output, ".csv")) {
    fail(
        ExitCode::kUsage, "--output {}: the name must end in .csv, .h5 or .hdf5", arguments.output);
  }
  Communicator& world = context.world();
  ModelSession session(arguments.session, ModelUse::kPredict, world);
  const Predictions rows =
      predict_nodes(*session.loaded.model, *session.store, arguments.columns, world);
  if (world.rank() == 0) {
    (hdf5 ? write_predictions_hdf5 : write_predictions_csv)(
        arguments.output, rows, session.loaded.classes);
  }
  log::result("{}: {} nodes", arguments.output, rows.global_id.size());
}

}  // namespace

void add_predict_command(CLI::App& app, CommandContext& context) {
  auto arguments = std::make_shared<PredictArguments>();
  CLI::App* command = app.add_subcommand("predict", "classes of every node, by original id");
  command
      ->add_option("MODEL", arguments->session.checkpoint, "checkpoint folder, or a run's folder")
      ->required();
  command->add_option("DATASET", arguments->session.dataset, "folder with manifest.json")
      ->required();
  command->add_option("--output", arguments->output, "file to write: .csv, .h5 or .hdf5")
      ->required();
  command->add_flag("--probabilities", arguments->columns.probabilities, "a column for each class");
  command
      ->add_option("--embedding-layer",
                   arguments->columns.embedding_layer,
                   "also the output of this layer (0 = first)")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--set", arguments->session.overrides, "change a runtime or read key")
      ->option_text("KEY=VALUE")
      ->allow_extra_args(false);
  command->callback([arguments, &context] { run_predict(*arguments, context); });
}

}  // namespace regatta
