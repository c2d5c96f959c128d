// The kernels' times on a graph, and the floors of docs/benchmarks.md in the same call.
#include "bench/attention_bench.h"

#include "bench/attention_floor.h"
#include "bench/kernel_case.h"
#include "bench/report_header.h"
#include "bench/time_spread.h"
#include "core/options.h"
#include "core/timer.h"
#include "kernels/storage_types.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <vector>

namespace regatta {
namespace {

using nlohmann::ordered_json;

std::vector<double> times_of(std::int64_t repeats, const std::function<void()>& pass) {
  pass();
  std::vector<double> seconds;
  for (std::int64_t run = 0; run < repeats; ++run) {
    const Timer timer;
    pass();
    seconds.push_back(timer.seconds());
  }
  return seconds;
}

ordered_json pass_report(const char* table,
                         bool forward,
                         const std::vector<double>& times,
                         const AttentionSizes& sizes,
                         const MemoryBound& bound) {
  const ordered_json time = time_spread(times);
  const AttentionFloor floor = attention_floor(sizes, forward, bound);
  return {{"table", table},
          {"pass", forward ? "forward" : "backward"},
          {"time", time},
          {"floor", floor_json(floor)},
          {"percent", percent_json(floor, time["median"].get<double>())}};
}

/// Times both passes of a table.
void time_table(const KernelTable& table,
                KernelCase& arrays,
                std::int64_t repeats,
                const AttentionSizes& sizes,
                const MemoryBound& bound,
                ordered_json& passes) {
  const AttentionForwardArgs forward = arrays.forward(table);
  passes.push_back(pass_report(
      table.name, true, times_of(repeats, [&] { table.forward(forward); }), sizes, bound));
  const AttentionBackwardArgs backward = arrays.backward(table);
  passes.push_back(pass_report(
      table.name, false, times_of(repeats, [&] { table.backward(backward); }), sizes, bound));
}

AttentionSizes sizes_of(const AttentionBenchOptions& options, const PreparedGraph& graph) {
  const KernelType type = kernel_type_of(options.precision);
  AttentionSizes sizes;
  sizes.kind = options.kind;
  sizes.nodes = static_cast<double>(graph.in.nodes);
  sizes.edges = static_cast<double>(graph.in.src.size());
  sizes.heads = static_cast<double>(options.heads);
  sizes.width = static_cast<double>(options.width);
  sizes.row_value_bytes = static_cast<double>(storage_bytes(type));
  sizes.scalar_bytes = static_cast<double>(working_bytes(type));
  return sizes;
}

KernelCaseShape shape_of(const AttentionBenchOptions& options, KernelType type) {
  return {options.kind,
          type,
          options.heads,
          options.width,
          options.attention_dropout,
          options.message_dropout,
          static_cast<std::uint64_t>(options.graph.seed)};
}

/// Results of the reference in fp64 on the inputs that a case of type `rounded_as` has.
std::map<std::string, std::vector<double>> exact_results(const AttentionBenchOptions& options,
                                                         const PreparedGraph& graph,
                                                         KernelType rounded_as) {
  KernelCase exact(shape_of(options, KernelType::kFloat64), graph, rounded_as);
  reference_kernels().forward(exact.forward(reference_kernels()));
  reference_kernels().backward(exact.backward(reference_kernels()));
  return exact.results();
}

ordered_json case_json(const AttentionBenchOptions& options, const PreparedGraph& graph) {
  return {{"bench", "attention"},
          {"graph", options.graph.graph},
          {"seed", options.graph.seed},
          {"kind", options.kind},
          {"precision", options.precision},
          {"nodes", graph.in.nodes},
          {"edges", graph.in.src.size()},
          {"heads", options.heads},
          {"width", options.width},
          {"attention_dropout", options.attention_dropout},
          {"message_dropout", options.message_dropout},
          {"repeats", options.repeats}};
}

}  // namespace

void AttentionBenchOptions::declare(OptionGroup& group) {
  const RealRange probability{.min = 0, .max = 1, .max_exclusive = true};
  graph.declare(group);
  group.integer("heads", heads, {.min = 1, .max = 1024}, "attention heads");
  group.integer("width", width, {.min = 1, .max = 65536}, "width of a head");
  group.choice("kind", kind, floor_kinds(), "kind of attention");
  group.choice("precision", precision, {"fp32", "bf16", "fp64"}, "storage type of rows");
  group.number("attention_dropout", attention_dropout, probability, "dropout on attention weights");
  group.number("message_dropout", message_dropout, probability, "dropout on messages");
  group.integer("repeats", repeats, {.min = 1, .max = 10000}, "timed runs after the warm-up");
}

ordered_json bench_attention(const AttentionBenchOptions& options) {
  // Above this many multiplications the reference would take minutes.
  constexpr double kMostReferenceWork = 2e7;
  const KernelType type = kernel_type_of(options.precision);
  const PreparedGraph graph = make_bench_graph(options.graph);
  const AttentionSizes sizes = sizes_of(options, graph);
  const auto row_bytes =
      static_cast<std::int64_t>(sizes.heads * sizes.width * sizes.row_value_bytes);
  const MemoryBound bound =
      measure_memory_bound(std::clamp<std::int64_t>(graph.in.nodes * row_bytes, 1 << 20, 1 << 28),
                           graph.in.nodes,
                           row_bytes,
                           graph.in.src.span());
  ordered_json passes = ordered_json::array();
  ordered_json errors;
  KernelCase arrays(shape_of(options, type), graph, type);
  time_table(cpu_kernels(), arrays, options.repeats, sizes, bound, passes);
  if (sizes.edges * sizes.heads * sizes.width <= kMostReferenceWork) {
    const auto exact = exact_results(options, graph, type);
    errors["cpu"] = relative_errors(arrays.results(), exact);
    time_table(reference_kernels(), arrays, options.repeats, sizes, bound, passes);
    errors["reference"] = relative_errors(arrays.results(), exact);
  }
  ordered_json report = report_header();
  report["case"] = case_json(options, graph);
  report["bounds"] = bound_json(bound);
  report["passes"] = passes;
  report["errors"] = errors;
  return report;
}

}  // namespace regatta
