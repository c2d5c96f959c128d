// `regatta bench`: times of attention kernels, layers, training steps, chunk reading and sums over
// ranks, beside their floors, as JSON.
#include "bench/attention_bench.h"
#include "bench/layer_bench.h"
#include "bench/read_bench.h"
#include "bench/reduce_bench.h"
#include "bench/scaling_bench.h"
#include "bench/step_bench.h"
#include "cli/command.h"
#include "cli/job_config.h"
#include "config/yaml_loader.h"
#include "core/error.h"
#include "core/log.h"
#include "core/parallel.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace regatta {
namespace {

struct BenchArguments {
  std::string path;
  std::vector<std::string> overrides;
  std::vector<std::string> against;
  std::int64_t repeats = 20;
  std::int64_t threads = 0;
};

template <class Options>
Options options_from(const std::vector<std::string>& overrides) {
  Options options;
  OptionGroup group;
  options.declare(group);
  ConfigNode root;
  root.kind = ConfigNode::Kind::kMap;
  for (const std::string& assignment : overrides) apply_override(root, assignment);
  group.apply(root);
  return options;
}

/// The keys that --set takes, with what is legal for each.
template <class Options>
std::string keys_of() {
  Options options;
  OptionGroup group;
  options.declare(group);
  std::string keys;
  for (const OptionDescription& row : group.describe())
    keys += (keys.empty() ? "" : ", ") + row.path +
            (row.type.starts_with("one of ") ? " (" + row.type.substr(7) + ")" : "");
  return keys;
}

void use_threads(std::int64_t threads) {
  const auto all = static_cast<std::int64_t>(std::thread::hardware_concurrency());
  set_compute_threads(static_cast<int>(threads > 0 ? threads : all));
}

void run_bench_attention(const BenchArguments& arguments) {
  use_threads(arguments.threads);
  log::result_text(
      bench_attention(options_from<AttentionBenchOptions>(arguments.overrides)).dump(2));
}

void run_bench_layer(const BenchArguments& arguments) {
  use_threads(arguments.threads);
  log::result_text(bench_layer(options_from<LayerBenchOptions>(arguments.overrides)).dump(2));
}

void run_bench_read(const BenchArguments& arguments) {
  use_threads(arguments.threads);
  log::result_text(
      bench_read(arguments.path, options_from<ReadOptions>(arguments.overrides), arguments.repeats)
          .dump(2));
}

JobConfig bench_config(const BenchArguments& arguments, const std::vector<std::string>& more = {}) {
  std::vector<std::string> overrides = arguments.overrides;
  overrides.insert(overrides.end(), more.begin(), more.end());
  JobConfig config = load_job_config(arguments.path, overrides, JobUse::kTrain);
  if (arguments.threads > 0)
    config.job.runtime.threads = arguments.threads;
  return config;
}

void run_bench_step(const BenchArguments& arguments, CommandContext& context) {
  Communicator& world = context.world();
  const JobConfig config = bench_config(arguments);
  std::optional<TrainJob> against;
  if (!arguments.against.empty()) {
    const JobConfig other = bench_config(arguments, arguments.against);
    if (other.dataset != config.dataset)
      fail(ExitCode::kUsage,
           "bench step --against: both steps are on one dataset, not also on {}",
           other.dataset);
    against = other.job;
  }
  const auto dataset = std::make_shared<const Dataset>(config.dataset, config.job.read);
  log::result_text(
      bench_step(config.job, against, dataset, config.output, arguments.repeats, world).dump(2));
}

void run_bench_scaling(const BenchArguments& arguments, CommandContext& context) {
  Communicator& world = context.world();
  const JobConfig config = bench_config(arguments);
  const auto dataset = std::make_shared<const Dataset>(config.dataset, config.job.read);
  log::result_text(
      bench_scaling(config.job, dataset, config.output, arguments.repeats, world).dump(2));
}

void run_bench_reduce(const BenchArguments& arguments, CommandContext& context) {
  use_threads(arguments.threads);
  Communicator& world = context.world();
  log::result_text(
      bench_reduce(options_from<ReduceBenchOptions>(arguments.overrides), arguments.repeats, world)
          .dump(2));
}

CLI::App* add_case(CLI::App& bench,
                   const char* name,
                   const std::string& help,
                   BenchArguments& arguments) {
  CLI::App* command = bench.add_subcommand(name, help);
  command->add_option("--threads", arguments.threads, "compute threads; 0 = all processors")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--set", arguments.overrides, "change a key (repeatable)")
      ->option_text("KEY=VALUE")
      ->allow_extra_args(false);
  return command;
}

void add_repeats(CLI::App& command, BenchArguments& arguments) {
  command.add_option("--repeats", arguments.repeats, "counted repetitions")
      ->check(CLI::PositiveNumber);
}

}  // namespace

void add_bench_command(CLI::App& app, CommandContext& context) {
  auto arguments = std::make_shared<BenchArguments>();
  CLI::App* bench = app.add_subcommand(
      "bench", "times beside their floors, as JSON; all take --threads and --set KEY=VALUE");
  bench->require_subcommand(1);
  CLI::App* attention = add_case(
      *bench,
      "attention",
      "attention kernels alone, forward and backward; keys: " + keys_of<AttentionBenchOptions>(),
      *arguments);
  attention->callback([arguments] { run_bench_attention(*arguments); });
  CLI::App* layer = add_case(
      *bench,
      "layer",
      "a whole attention layer, forward and backward; keys: " + keys_of<LayerBenchOptions>(),
      *arguments);
  layer->callback([arguments] { run_bench_layer(*arguments); });
  CLI::App* step = add_case(*bench, "step", "one optimiser step of a configuration", *arguments);
  step->add_option("CONFIG", arguments->path, "YAML file")->required();
  add_repeats(*step, *arguments);
  step->add_option("--against",
                   arguments->against,
                   "time steps with this key changed as well, in turns (repeatable)")
      ->option_text("KEY=VALUE")
      ->allow_extra_args(false);
  step->callback([arguments, &context] { run_bench_step(*arguments, context); });
  CLI::App* read =
      add_case(*bench,
               "read",
               "chunk reading beside a plain read of the same bytes; keys: read, verify",
               *arguments);
  read->add_option("DATASET", arguments->path, "folder with manifest.json")->required();
  add_repeats(*read, *arguments);
  read->callback([arguments] { run_bench_read(*arguments); });
  CLI::App* reduce = add_case(
      *bench,
      "reduce",
      "sums over the ranks beside MPI's own; under mpirun; keys: " + keys_of<ReduceBenchOptions>(),
      *arguments);
  add_repeats(*reduce, *arguments);
  reduce->callback([arguments, &context] { run_bench_reduce(*arguments, context); });
  CLI::App* scaling = add_case(
      *bench, "scaling", "a step by phase, and predicted for more ranks; under mpirun", *arguments);
  scaling->add_option("CONFIG", arguments->path, "YAML file")->required();
  add_repeats(*scaling, *arguments);
  scaling->callback([arguments, &context] { run_bench_scaling(*arguments, context); });
}

}  // namespace regatta
