// `regatta bench attention`: times of the attention kernels beside what the machine's memory
// allows.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>

namespace regatta {

class OptionGroup;

/// A random graph and one layer over it.
struct AttentionBenchOptions {
  std::int64_t nodes = 100000;
  std::int64_t edges = 2400000;
  std::int64_t heads = 4;
  std::int64_t width = 64;
  std::string kind = "gat";
  double dropout = 0;
  std::int64_t repeats = 5;

  void declare(OptionGroup& group);
};

/// Runs forward and backward in fp32 on compute_threads() threads, after a warm-up, `repeats` times
/// each.
///
/// Returns {machine, threads, case, bounds, passes}; a pass holds table, pass, time {median,
/// minimum, maximum}, floor and percent {compulsory, gather}. Times and floors are in seconds. The
/// floor `compulsory` moves every array once at the measured copy rate; `gather` lets every edge
/// fetch its row at the measured gather rate (docs/performance.md). Both rates are measured in the
/// same call. The reference table is timed too where it takes seconds, not minutes.
nlohmann::ordered_json bench_attention(const AttentionBenchOptions& options);

}  // namespace regatta
