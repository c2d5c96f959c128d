// `regatta bench`: times of attention kernels, layers, training steps and chunk reading, beside
// their floors, as JSON.
#include "bench/attention_bench.h"
#include "bench/layer_bench.h"
#include "bench/read_bench.h"
#include "bench/step_bench.h"
#include "cli/command.h"
#include "cli/job_config.h"
#include "config/yaml_loader.h"
#include "core/log.h"
#include "core/parallel.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace regatta {
namespace {

struct BenchArguments {
  std::string path;
  std::vector<std::string> overrides;
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

void run_bench_step(const BenchArguments& arguments, CommandContext& context) {
  Communicator& world = context.world();
  JobConfig config = load_job_config(arguments.path, arguments.overrides, JobUse::kTrain);
  if (arguments.threads > 0)
    config.job.runtime.threads = arguments.threads;
  const auto dataset = std::make_shared<const Dataset>(config.dataset, config.job.read);
  log::result_text(
      bench_step(config.job, dataset, config.output, arguments.repeats, world).dump(2));
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
  step->callback([arguments, &context] { run_bench_step(*arguments, context); });
  CLI::App* read =
      add_case(*bench,
               "read",
               "chunk reading beside a plain read of the same bytes; keys: read, verify",
               *arguments);
  read->add_option("DATASET", arguments->path, "folder with manifest.json")->required();
  add_repeats(*read, *arguments);
  read->callback([arguments] { run_bench_read(*arguments); });
}

}  // namespace regatta
