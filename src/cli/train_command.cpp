// `regatta train`: a training, or one for each of several seeds, or only its plan.
#include "cli/command.h"
#include "cli/job_config.h"
#include "cli/option_reference.h"
#include "core/file.h"
#include "core/log.h"
#include "cli/slurm_time_limit.h"
#include "cli/stop_signals.h"
#include "train/dry_run.h"
#include "train/trainer.h"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace regatta {
namespace {

struct TrainArguments {
  std::string config;
  std::vector<std::string> overrides;
  std::int64_t seeds = 1;
  bool dry_run = false;
  bool resume = false;
};

void report_run(const RunSummary& run, const std::string& folder) {
  log::result("Best epoch {}: test accuracy {:.4f}, macro-F1 {:.4f}, validation accuracy {:.4f}",
              run.best_epoch,
              run.test.accuracy,
              run.test.macro_f1,
              run.validation.accuracy);
  log::result("{} epochs, {} steps in {:.1f} s ({:.2f} ms a step) on {} rank{}; results in {}",
              run.epochs,
              run.steps,
              run.seconds,
              1e3 * run.seconds / static_cast<double>(std::max<std::int64_t>(1, run.steps)),
              run.world_size,
              run.world_size == 1 ? "" : "s",
              folder);
}

/// Signals and the job's time limit, for as long as a training runs.
class StopSources {
 public:
  StopSources(const RuntimeOptions& options, const Communicator& world) : signals_(request_) {
    const char* job = std::getenv("SLURM_JOB_ID");
    if (job != nullptr && options.stop_before_s > 0 && world.rank() == 0)
      limit_.emplace(job, options.stop_before_s, request_);
  }
  const StopRequest* request() const { return &request_; }

 private:
  StopRequest request_;
  StopSignals signals_;
  std::optional<SlurmTimeLimit> limit_;
};

RunSummary train_one(const TrainJob& job,
                     const std::shared_ptr<const Dataset>& dataset,
                     const std::string& folder,
                     bool resume,
                     const StopSources& stops,
                     Communicator& world) {
  Trainer trainer(job, dataset, folder, world);
  trainer.stop_on(stops.request());
  RunSummary summary = trainer.run(resume);
  report_run(summary, folder);
  return summary;
}

void train_seeds(const JobConfig& config,
                 const TrainArguments& arguments,
                 const std::shared_ptr<const Dataset>& dataset,
                 const StopSources& stops,
                 Communicator& world) {
  std::vector<RunSummary> runs;
  for (std::int64_t i = 0; i < arguments.seeds; ++i) {
    TrainJob job = config.job;
    job.train.seed += i;
    const std::string folder = config.output + "/seed-" + std::to_string(job.train.seed);
    runs.push_back(train_one(job, dataset, folder, arguments.resume, stops, world));
  }
  const auto summary = summarise_seeds(runs);
  if (world.rank() == 0)
    replace_file(config.output + "/summary.json", summary.dump(2) + "\n");
  const auto& accuracy = summary["test"]["accuracy"];
  log::result("{} seeds: test accuracy {:.2f} \u00b1 {:.2f} %",
              arguments.seeds,
              100 * accuracy["mean"].get<double>(),
              100 * accuracy["std"].get<double>());
}

void run_train(const TrainArguments& arguments, CommandContext& context) {
  Communicator& world =
      context.world();  // first: of a fault that all ranks see, rank 0 alone speaks
  const JobConfig config = load_job_config(arguments.config, arguments.overrides, JobUse::kTrain);
  const auto dataset = std::make_shared<const Dataset>(config.dataset, config.job.read);
  if (arguments.dry_run) {
    log::result_text(describe_dry_run(config.job, dataset->manifest(), world.size()));
    return;
  }
  const StopSources stops(config.job.runtime, world);
  if (arguments.seeds > 1)
    train_seeds(config, arguments, dataset, stops, world);
  else
    train_one(config.job, dataset, config.output, arguments.resume, stops, world);
}

}  // namespace

void add_train_command(CLI::App& app, CommandContext& context) {
  auto arguments = std::make_shared<TrainArguments>();
  CLI::App* command =
      app.add_subcommand("train", "train a model on a dataset (alone, or with mpirun or srun)");
  command->add_option("CONFIG", arguments->config, "YAML file")->required();
  command->add_option("--set", arguments->overrides, "change a key of CONFIG (repeatable)")
      ->option_text("KEY=VALUE")
      ->allow_extra_args(false);
  command
      ->add_option(
          "--seeds", arguments->seeds, "train with this many seeds, report mean and deviation")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{100000}));
  command->add_flag(
      "--dry-run", arguments->dry_run, "print the plan and stop: chunks, memory, idle ranks");
  command->add_flag("--resume", arguments->resume, "go on from the newest checkpoint of OUTPUT; start anew where there is none");
  command->footer([] { return option_help(JobUse::kTrain); });
  command->callback([arguments, &context] { run_train(*arguments, context); });
}

}  // namespace regatta
