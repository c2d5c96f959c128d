// The least that attention's passes must move, and how long that takes at measured rates.
#pragma once

#include "bench/memory_bound.h"
#include "kernels/attention.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace regatta {

/// The sizes that traffic depends on. Bytes of a value in rows, and of the scalars beside them.
struct AttentionSizes {
  std::string kind;  ///< gat, gatv2, transformer, dot
  double nodes = 0;
  double edges = 0;
  double heads = 0;
  double width = 0;
  double row_value_bytes = 4;
  double scalar_bytes = 4;
};

/// Kinds that have formulas here.
const std::vector<std::string>& floor_kinds();

/// Seconds at the measured rates. `compulsory`: every array moves once. `gather`: every edge
/// fetches its rows from memory. `blocked`: from column tiles that stay in cache; below 0 where
/// that was not measured.
struct AttentionFloor {
  double compulsory = 0;
  double gather = 0;
  double blocked = -1;

  /// The bound that applies: the faster of the two ways to fetch rows, and never below
  /// `compulsory`.
  double applies() const;
  const char* applies_name() const;
};

/// Formulas: F_c and F_nc of docs/benchmarks.md. Throws Error(kUsage) for an unknown kind.
AttentionFloor attention_floor(const AttentionSizes& sizes, bool forward, const MemoryBound& bound);
/// FLOP of a training pass beside its projections. Throws as attention_floor.
double attention_flop(const AttentionSizes& sizes, bool forward);

/// {compulsory, gather, blocked, applies, bound}: seconds, null where not measured; `bound` names
/// what applies.
nlohmann::ordered_json floor_json(const AttentionFloor& floor);
/// {compulsory, gather, blocked, applies}: each floor as a percentage of `seconds`.
nlohmann::ordered_json percent_json(const AttentionFloor& floor, double seconds);
/// {copy_bytes_per_second, gather_bytes_per_second, blocked_gather_bytes_per_second, tile_bytes}.
nlohmann::ordered_json bound_json(const MemoryBound& bound);

}  // namespace regatta
