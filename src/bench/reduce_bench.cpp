#include "bench/reduce_bench.h"

#include "bench/rank_times.h"
#include "bench/report_header.h"
#include "bench/time_spread.h"
#include "comm/mpi_plain_reduce.h"
#include "core/error.h"
#include "core/options.h"
#include "core/timer.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <limits>
#include <string>

namespace regatta {
namespace {

using nlohmann::ordered_json;

struct Way {
  std::string name;
  std::function<void(void* data, std::int64_t count, ReduceType type)> reduce;
  std::vector<double> seconds;
};

std::vector<Way> ways_for(std::int64_t bytes, Communicator& world) {
  std::vector<Way> ways;
  ways.push_back({"regatta",
                  [&world](void* data, std::int64_t count, ReduceType type) {
                    world.all_reduce(data, count, type, ReduceOp::kSum);
                  },
                  {}});
  for (const std::int64_t mib : {0, 1, 4, 16}) {
    const std::int64_t piece = mib << 20;
    if (piece >= bytes)
      continue;
    ways.push_back({mib == 0 ? "mpi" : "mpi_" + std::to_string(mib) + "_mib",
                    [piece, bytes](void* data, std::int64_t count, ReduceType type) {
                      plain_mpi_all_reduce(data, count, type, piece == 0 ? bytes : piece);
                    },
                    {}});
  }
  return ways;
}

/// Seconds from a common start until the last rank has ended.
template <class Value>
double time_once(Way& way, std::vector<Value>& data, ReduceType type, Communicator& world) {
  std::fill(data.begin(), data.end(), static_cast<Value>(world.rank() + 1));
  world.barrier();
  const Timer timer;
  way.reduce(data.data(), static_cast<std::int64_t>(data.size()), type);
  const double seconds = timer.seconds();
  const auto sum = static_cast<Value>(world.size() * (world.size() + 1) / 2);
  REGATTA_CHECK(std::all_of(data.begin(), data.end(), [&](Value v) { return v == sum; }),
                "{} gives a wrong sum",
                way.name);
  return seconds_of_slowest_rank(seconds, world);
}

template <class Value>
ordered_json run_case(const char* name,
                      ReduceType type,
                      std::int64_t bytes,
                      std::int64_t repeats,
                      Communicator& world) {
  std::vector<Value> data(static_cast<std::size_t>(bytes) / sizeof(Value));
  std::vector<Way> ways = ways_for(bytes, world);
  for (std::int64_t i = -2; i < repeats; ++i) {  // two to warm up
    for (Way& way : ways) {
      const double seconds = time_once(way, data, type, world);
      if (i >= 0)
        way.seconds.push_back(seconds);
    }
  }
  ordered_json row = {{"type", name}, {"bytes", bytes}};
  double least = std::numeric_limits<double>::infinity();
  std::string best;
  for (const Way& way : ways) {
    row[way.name] = time_spread(way.seconds);
    const double minimum = row[way.name]["minimum"];
    if (way.name != "regatta" && minimum < least) {
      least = minimum;
      best = way.name;
    }
  }
  row["best"] = best;
  const double ours = row["regatta"]["minimum"];
  row["percent"] = world.size() > 1 ? ordered_json(100 * least / ours) : ordered_json(nullptr);
  return row;
}

}  // namespace

void ReduceBenchOptions::declare(OptionGroup& group) {
  group.integers("kib", kib, {.min = 1, .max = 1 << 20}, "sizes of an array in KiB");
}

ordered_json bench_reduce(const ReduceBenchOptions& options,
                          std::int64_t repeats,
                          Communicator& world) {
  ordered_json report = report_header();
  report["world_size"] = world.size();
  report["cases"] = ordered_json::array();
  for (const std::int64_t kib : options.kib) {
    report["cases"].push_back(
        run_case<std::int64_t>("int64", ReduceType::kInt64, kib << 10, repeats, world));
    report["cases"].push_back(
        run_case<float>("float32", ReduceType::kFloat32, kib << 10, repeats, world));
  }
  return report;
}

}  // namespace regatta
