// `regatta bench attention`: times of the attention kernels beside what the machine's memory
// allows.
#pragma once

#include "bench/bench_graph.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>

namespace regatta {

class OptionGroup;

/// One layer's kernels over a graph.
struct AttentionBenchOptions {
  BenchGraphOptions graph;
  std::int64_t heads = 4;
  std::int64_t width = 64;
  std::string kind = "gat";
  std::string precision = "fp32";
  double attention_dropout = 0;
  double message_dropout = 0;
  std::int64_t repeats = 5;

  void declare(OptionGroup& group);
};

/// Runs forward and backward on compute_threads() threads, after a warm-up, `repeats` times each.
///
/// Returns {machine, commit, date, threads, amx, case, bounds, passes, errors}; a pass holds table,
/// pass, time {median, minimum, maximum}, floor and percent (attention_floor.h). Times and floors
/// are in seconds, and all rates are measured in the same call. Where the plain loops take seconds,
/// not minutes, the reference table is timed too and `errors` holds |a-b|/|b| of each result
/// against the reference in fp64 on the same inputs, by table; else it is null.
nlohmann::ordered_json bench_attention(const AttentionBenchOptions& options);

}  // namespace regatta
