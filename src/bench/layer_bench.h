// `regatta bench layer`: one attention layer as training runs it, with its projections, forward and
// backward.
#pragma once

#include "bench/bench_graph.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace regatta {

class OptionGroup;

/// A layer over a graph with random dense features.
struct LayerBenchOptions {
  BenchGraphOptions graph;
  std::int64_t features = 128;  ///< F
  std::int64_t heads = 4;
  std::int64_t width = 64;
  std::string kind = "gat";  ///< row of the attention table
  std::string activation = "none";
  std::string precision = "fp32";
  bool amx = true;  ///< dense products by AMX where the processor has it
  double attention_dropout = 0;
  double message_dropout = 0;
  std::int64_t repeats = 5;
  std::vector<std::int64_t> sweep;  ///< numbers of edges; empty: the one case
  std::string export_folder;        ///< where the case is written as .npy; empty: nowhere

  void declare(OptionGroup& group);
};

/// Steps of forward and backward, with gradients of x and of all parameters, on compute_threads()
/// threads: a warm-up, then `repeats` timed ones.
///
/// Returns {machine, commit, date, threads, amx, case, time, processor_time, forward, backward,
/// bounds, floor, percent, memory, errors}: times (median, minimum, maximum) in seconds,
/// processor_time summed over threads; floor and percent {attention_forward, attention_backward,
/// dense, step}, null for kinds without formulas; memory as PeakMemory::report, from before the
/// layer's first step on; errors |a-b|/|b| of y and of each gradient against the same layer in fp64
/// on the reference kernels, null where that would take minutes. With `sweep`: {machine, commit,
/// date, threads, case, sweep: [{edges, time, memory}]}, each in a process of its own. With
/// `export_folder`: case.json, indptr, src, x, grad_y, param.NAME, and the step's y and grad.NAME
/// (grad.x) as .npy. Throws Error(kUsage) for a sweep over a dataset or an export that is not fp32.
nlohmann::ordered_json bench_layer(const LayerBenchOptions& options);

}  // namespace regatta
