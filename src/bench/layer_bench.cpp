#include "bench/layer_bench.h"

#include "bench/attention_floor.h"
#include "bench/gemm_rate.h"
#include "bench/layer_case.h"
#include "bench/peak_memory.h"
#include "bench/report_header.h"
#include "bench/time_spread.h"
#include "core/amx.h"
#include "core/error.h"
#include "core/options.h"
#include "core/parallel.h"
#include "nn/activation.h"

#include <torch/types.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

namespace regatta {
namespace {

using nlohmann::ordered_json;

/// Times of all steps, and the memory they took.
struct Measured {
  std::vector<double> step, processor, forward, backward;
  ordered_json memory;
};

Measured run_steps(LayerCase& layer, std::int64_t repeats) {
  Measured measured;
  const PeakMemory memory;
  layer.step();
  for (std::int64_t k = 0; k < repeats; ++k) {
    const StepSeconds seconds = layer.step();
    measured.step.push_back(seconds.forward + seconds.backward);
    measured.processor.push_back(seconds.processor);
    measured.forward.push_back(seconds.forward);
    measured.backward.push_back(seconds.backward);
  }
  measured.memory = memory.report();
  return measured;
}

AttentionSizes sizes_of(const LayerBenchOptions& options, const PreparedGraph& graph) {
  AttentionSizes sizes;
  sizes.kind = options.kind;
  sizes.nodes = static_cast<double>(graph.in.nodes);
  sizes.edges = static_cast<double>(graph.in.src.size());
  sizes.heads = static_cast<double>(options.heads);
  sizes.width = static_cast<double>(options.width);
  sizes.scalar_bytes = options.precision == "fp64" ? 8 : 4;
  sizes.row_value_bytes = options.precision == "bf16" ? 2 : sizes.scalar_bytes;
  return sizes;
}

/// Adds bounds, floor and percent.
void add_floors(const LayerBenchOptions& options,
                const LayerCase& layer,
                const Measured& measured,
                ordered_json& report) {
  const AttentionSizes sizes = sizes_of(options, layer.graph());
  const auto row_bytes =
      static_cast<std::int64_t>(sizes.heads * sizes.width * sizes.row_value_bytes);
  const std::int64_t nodes = layer.graph().in.nodes;
  const MemoryBound bound =
      measure_memory_bound(std::clamp<std::int64_t>(nodes * row_bytes, 1 << 20, 1 << 28),
                           nodes,
                           row_bytes,
                           layer.graph().in.src.span());
  const double gemm = measure_gemm_rate(std::min<std::int64_t>(nodes, 16384),
                                        options.features,
                                        options.heads * options.width,
                                        layer.x().scalar_type());
  report["bounds"] = bound_json(bound);
  report["bounds"]["gemm_flop_per_second"] = gemm;
  report["floor"] = report["percent"] = ordered_json();
  const auto& known = floor_kinds();
  if (std::find(known.begin(), known.end(), options.kind) == known.end())
    return;
  const AttentionFloor forward = attention_floor(sizes, true, bound);
  const AttentionFloor backward = attention_floor(sizes, false, bound);
  const double dense = layer.dense_flop() / gemm;
  const double step = forward.applies() + backward.applies() + dense;
  report["floor"] = {{"attention_forward", floor_json(forward)},
                     {"attention_backward", floor_json(backward)},
                     {"dense", dense},
                     {"step", step}};
  report["percent"] = {{"step", 100 * step / time_spread(measured.step)["median"].get<double>()}};
}

ordered_json errors_of(const LayerBenchOptions& options, LayerCase& layer) {
  // Above this many multiplications the reference would take minutes.
  constexpr double kMostReferenceWork = 2e7;
  if (static_cast<double>(layer.graph().in.src.size()) *
          static_cast<double>(options.heads * options.width) >
      kMostReferenceWork)
    return {};
  const auto exact = layer.exact(options);
  exact->step();
  ordered_json errors;
  const auto found = layer.results();
  for (const auto& [name, value] : exact->results()) {
    if (!value.defined())
      continue;
    const double norm = value.norm().item<double>();
    const double difference = (found.at(name).to(at::kDouble) - value).norm().item<double>();
    errors[name] = norm > 0 ? difference / norm : difference;
  }
  return errors;
}

ordered_json case_json(const LayerBenchOptions& options) {
  LayerBenchOptions copy = options;
  OptionGroup group;
  copy.declare(group);
  ordered_json values = group.values();
  values.erase("export");
  values["bench"] = "layer";
  return values;
}

ordered_json run_sweep(const LayerBenchOptions& options) {
  ordered_json rows = ordered_json::array();
  for (const std::int64_t edges : options.sweep) {
    rows.push_back(in_child_process([&] {
      LayerBenchOptions one = options;
      one.graph.edges = edges;
      LayerCase layer(one, make_bench_graph(one.graph));
      const Measured measured = run_steps(layer, one.repeats);
      return ordered_json{
          {"edges", edges}, {"time", time_spread(measured.step)}, {"memory", measured.memory}};
    }));
  }
  return rows;
}

void check(const LayerBenchOptions& options) {
  if (!options.sweep.empty() && !options.graph.generated())
    fail(ExitCode::kUsage,
         "sweep: changes the edges of a generated graph, but graph is '{}'; use graph: random",
         options.graph.graph);
  if (!options.export_folder.empty() && (options.precision != "fp32" || !options.sweep.empty()))
    fail(ExitCode::kUsage,
         "export: writes one case in fp32; leave out sweep and use precision: fp32");
}

}  // namespace

void LayerBenchOptions::declare(OptionGroup& group) {
  const RealRange probability{.min = 0, .max = 1, .max_exclusive = true};
  graph.declare(group);
  group.integer("features", features, {.min = 1, .max = 1 << 20}, "width of the input");
  group.integer("heads", heads, {.min = 1, .max = 1024}, "attention heads");
  group.integer("width", width, {.min = 1, .max = 65536}, "width of a head");
  group.choice("kind", kind, attention_names(), "kind of attention");
  group.choice("activation", activation, activation_names(), "nonlinearity after the layer");
  group.choice("precision", precision, {"fp32", "bf16", "fp64"}, "storage type of input and rows");
  group.flag("amx", amx, "dense products by Intel AMX where the processor has it");
  group.number("attention_dropout", attention_dropout, probability, "dropout on attention weights");
  group.number("message_dropout", message_dropout, probability, "dropout on messages");
  group.integer("repeats", repeats, {.min = 1, .max = 10000}, "timed steps after the warm-up");
  group.integers("sweep",
                 sweep,
                 {.min = 1, .max = 2147483647},
                 "numbers of edges: time and memory of each, in a process of its own");
  group.text("export", export_folder, "folder for graph, input, parameters and results as .npy");
}

ordered_json bench_layer(const LayerBenchOptions& options) {
  check(options);
  at::set_num_threads(compute_threads());
  allow_amx(options.amx);
  ordered_json report = report_header();
  report["case"] = case_json(options);
  if (!options.sweep.empty()) {
    report["sweep"] = run_sweep(options);
    return report;
  }
  LayerCase layer(options, make_bench_graph(options.graph));
  report["case"]["nodes"] = layer.graph().in.nodes;
  report["case"]["edges"] = layer.graph().in.src.size();
  const Measured measured = run_steps(layer, options.repeats);
  report["time"] = time_spread(measured.step);
  report["processor_time"] = time_spread(measured.processor);
  report["forward"] = time_spread(measured.forward);
  report["backward"] = time_spread(measured.backward);
  add_floors(options, layer, measured, report);
  report["memory"] = measured.memory;
  report["errors"] = errors_of(options, layer);
  if (!options.export_folder.empty())
    export_case(options, layer);
  return report;
}

}  // namespace regatta
