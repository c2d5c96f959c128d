// `regatta bench`: times of attention kernels, layers, training steps, chunk reading and sums over
// ranks, beside their floors, as JSON.
#include "bench/attention_bench.h"
#include "bench/generated_dataset.h"
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

#include <algorithm>
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

/// Removes the assignments to keys of `Options` from `overrides` and returns them.
template <class Options>
std::vector<std::string> take_overrides(std::vector<std::string>& overrides) {
  Options options;
  OptionGroup group;
  options.declare(group);
  const auto keys = group.describe();
  const auto first = std::stable_partition(
      overrides.begin(), overrides.end(), [&keys](const std::string& assignment) {
        const std::string key = assignment.substr(0, assignment.find('='));
        return std::none_of(keys.begin(), keys.end(), [&key](const OptionDescription& row) {
          return row.path == key;
        });
      });
  std::vector<std::string> taken(first, overrides.end());
  overrides.erase(first, overrides.end());
  return taken;
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

/// What the step is timed on in place of the configuration's dataset; takes its keys out of
/// `overrides`.
StepGraphOptions take_step_graph(std::vector<std::string>& overrides) {
  const std::vector<std::string> taken = take_overrides<StepGraphOptions>(overrides);
  const auto options = options_from<StepGraphOptions>(taken);
  if (!taken.empty() && options.graph.graph.empty()) {
    fail(ExitCode::kUsage,
         "bench step --set {}: is of a generated graph; add --set graph=random, or leave it out to "
         "use the configuration's dataset",
         taken.front());
  }
  if (!taken.empty())
    options.graph.check();
  return options;
}

nlohmann::ordered_json values_of(StepGraphOptions options) {
  OptionGroup group;
  options.declare(group);
  return group.values();
}

void run_bench_step(BenchArguments arguments, CommandContext& context) {
  Communicator& world = context.world();
  const StepGraphOptions graph = take_step_graph(arguments.overrides);
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
  std::string folder = graph.graph.graph.empty() ? config.dataset : graph.graph.graph;
  std::optional<TemporaryFolder> scratch;  // of each rank: they may share no disk
  if (graph.graph.generated()) {
    folder = scratch.emplace().path();
    write_generated_dataset(graph, config.job.task.target, folder);
  }
  const auto dataset = std::make_shared<const Dataset>(folder, config.job.read);
  nlohmann::ordered_json report =
      bench_step(config.job, against, dataset, config.output, arguments.repeats, world);
  if (graph.graph.generated())
    report["graph"] = values_of(graph);
  log::result_text(report.dump(2));
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
  CLI::App* step = add_case(*bench,
                            "step",
                            "one optimiser step of a configuration; keys: those of the "
                            "configuration and, for a graph in place of its dataset, " +
                                keys_of<StepGraphOptions>(),
                            *arguments);
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
