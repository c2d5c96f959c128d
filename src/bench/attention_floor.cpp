#include "bench/attention_floor.h"

#include "core/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace regatta {
namespace {

/// Bytes of one pass as multiples: R = a row of all heads, NH = a scalar a node and head, EH = one
/// an edge and head.
struct Traffic {
  double compulsory_rows;     ///< NR, every array once
  double compulsory_scalars;  ///< NH
  double gathered_rows;       ///< ER
  double gathered_scalars;    ///< EH
  double streamed_rows;       ///< NR beside the gathered ones
  double streamed_scalars;    ///< NH
  double indices;             ///< 4 (N + E)
  double gathered_bits = 0;   ///< EHD / 8
};

/// FLOP of one pass as multiples.
struct Arithmetic {
  double edge_values;      ///< EHD
  double edge_heads;       ///< EH
  double node_values = 0;  ///< NHD
};

struct KindTraffic {
  const char* kind;
  Traffic forward, backward;
  Arithmetic forward_flop, backward_flop;
};

// Training's passes, as the fused kernels make them: forward writes O, L and, for gat, C; gat's
// backward gathers one row an edge, the others make a pass over in-edges and one over out-edges;
// that of gatv2 takes bits of its slopes instead of a third row.
constexpr std::array kTraffic{
    KindTraffic{"gat", {3, 3, 1, 1, 2, 2, 1}, {6, 11, 1, 3, 5, 8, 1}, {2, 8}, {4, 12, 10}},
    KindTraffic{"gatv2", {3, 1, 1, 0, 2, 1, 1}, {6, 3, 2, 2, 6, 3, 2, 1}, {7, 6}, {24, 16}},
    KindTraffic{"transformer", {4, 1, 2, 0, 2, 1, 1}, {8, 5, 4, 2, 8, 5, 2}, {4, 6}, {14, 20}},
    KindTraffic{"dot", {2, 1, 1, 0, 2, 1, 1}, {4, 3, 3, 2, 6, 3, 2}, {4, 6}, {14, 20}},
};

const KindTraffic& traffic_of(const std::string& kind) {
  const auto* row = std::find_if(
      kTraffic.begin(), kTraffic.end(), [&](const KindTraffic& r) { return kind == r.kind; });
  if (row == kTraffic.end())
    fail(ExitCode::kUsage, "no floor is known for the attention kind '{}'", kind);
  return *row;
}

nlohmann::ordered_json or_null(double value) {
  return value < 0 ? nlohmann::ordered_json() : nlohmann::ordered_json(value);
}

double seconds_at(double bytes, double rate) {
  return bytes > 0 ? bytes / rate : 0;
}

}  // namespace

const std::vector<std::string>& floor_kinds() {
  static const std::vector<std::string> kinds = [] {
    std::vector<std::string> names;
    for (const KindTraffic& row : kTraffic) names.emplace_back(row.kind);
    return names;
  }();
  return kinds;
}

double AttentionFloor::applies() const {
  const double fetched = blocked >= 0 ? std::min(gather, blocked) : gather;
  return std::max(compulsory, fetched);
}

const char* AttentionFloor::applies_name() const {
  if (applies() == compulsory)
    return "compulsory";
  return applies() == gather ? "gather" : "blocked";
}

AttentionFloor attention_floor(const AttentionSizes& sizes,
                               bool forward,
                               const MemoryBound& bound) {
  const KindTraffic& kind = traffic_of(sizes.kind);
  const Traffic& t = forward ? kind.forward : kind.backward;
  const double row = sizes.heads * sizes.width * sizes.row_value_bytes;
  const double scalars = sizes.heads * sizes.scalar_bytes;
  const double indices = 4 * t.indices * (sizes.nodes + sizes.edges);
  const double streamed =
      sizes.nodes * (t.streamed_rows * row + t.streamed_scalars * scalars) + indices;
  const double gathered = sizes.edges * (t.gathered_rows * row + t.gathered_scalars * scalars +
                                         t.gathered_bits * sizes.heads * sizes.width / 8);
  AttentionFloor floor;
  floor.compulsory =
      (sizes.nodes * (t.compulsory_rows * row + t.compulsory_scalars * scalars) + indices) /
      bound.copy_rate;
  floor.gather = seconds_at(gathered, bound.gather_rate) + streamed / bound.copy_rate;
  if (bound.blocked_rate > 0)
    floor.blocked = seconds_at(gathered, bound.blocked_rate) + streamed / bound.copy_rate;
  return floor;
}

double attention_flop(const AttentionSizes& sizes, bool forward) {
  const KindTraffic& kind = traffic_of(sizes.kind);
  const Arithmetic& a = forward ? kind.forward_flop : kind.backward_flop;
  return sizes.heads * (sizes.edges * (a.edge_values * sizes.width + a.edge_heads) +
                        sizes.nodes * a.node_values * sizes.width);
}

nlohmann::ordered_json floor_json(const AttentionFloor& floor) {
  return {{"compulsory", floor.compulsory},
          {"gather", floor.gather},
          {"blocked", or_null(floor.blocked)},
          {"applies", floor.applies()},
          {"bound", floor.applies_name()}};
}

nlohmann::ordered_json percent_json(const AttentionFloor& floor, double seconds) {
  const double scale = 100 / seconds;
  return {{"compulsory", scale * floor.compulsory},
          {"gather", scale * floor.gather},
          {"blocked", or_null(scale * floor.blocked)},
          {"applies", scale * floor.applies()}};
}

nlohmann::ordered_json bound_json(const MemoryBound& bound) {
  const bool blocked = bound.blocked_rate > 0;
  return {{"copy_bytes_per_second", bound.copy_rate},
          {"gather_bytes_per_second", bound.gather_rate},
          {"blocked_gather_bytes_per_second", blocked ? or_null(bound.blocked_rate) : or_null(-1)},
          {"tile_bytes", blocked ? nlohmann::ordered_json(bound.tile_bytes) : or_null(-1)}};
}

}  // namespace regatta
