#include "train/phase_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <span>

namespace regatta {
namespace {

double of(const std::array<double, kPhases>& rank, Phase phase) {
  return rank[static_cast<std::size_t>(phase)];
}

struct Spread {
  double mean = 0, most = 0;
  std::size_t rank = 0;  ///< that has the most
};

template <class Value>
Spread spread(const PhaseSeconds& seconds, Value value) {
  Spread result;
  for (std::size_t r = 0; r < seconds.size(); ++r) {
    const double here = value(seconds[r]);
    result.mean += here / static_cast<double>(seconds.size());
    if (here > result.most) {
      result.most = here;
      result.rank = r;
    }
  }
  return result;
}

Spread compute_spread(const PhaseSeconds& seconds) {
  return spread(seconds, [](const auto& rank) {
    return of(rank, Phase::kForward) + of(rank, Phase::kBackward);
  });
}

double stall_share(const PhaseSeconds& seconds) {
  return spread(seconds,
                [](const auto& rank) {
                  const double all = std::accumulate(rank.begin(), rank.end(), 0.0);
                  return all > 0 ? (of(rank, Phase::kRead) + of(rank, Phase::kUpload)) / all : 0.0;
                })
      .most;
}

double imbalance(const Spread& compute) {
  return compute.mean > 0 ? compute.most / compute.mean : 1.0;
}

}  // namespace

PhaseSeconds gather_phase_seconds(const std::array<double, kPhases>& mine, Communicator& world) {
  PhaseSeconds seconds;
  for (const auto& bytes : world.all_gather(std::as_bytes(std::span(mine)))) {
    seconds.emplace_back();
    std::memcpy(seconds.back().data(), bytes.data(), sizeof(seconds.back()));
  }
  return seconds;
}

nlohmann::ordered_json phase_report(const PhaseSeconds& seconds) {
  nlohmann::ordered_json report;
  for (std::size_t p = 0; p < kPhases; ++p) {
    nlohmann::ordered_json of_ranks = nlohmann::ordered_json::array();
    for (const auto& rank : seconds) of_ranks.push_back(rank[p]);
    report["seconds"][phase_name(static_cast<Phase>(p))] = of_ranks;
  }
  const Spread compute = compute_spread(seconds);
  report["imbalance"] = imbalance(compute);
  report["stall_share"] = stall_share(seconds);
  report["slowest_rank"] = compute.rank;
  return report;
}

std::string phase_table(const PhaseSeconds& seconds) {
  std::string table = fmt::format("{:<12}{:>10}{:>10}  {}", "phase", "mean s", "most s", "rank");
  for (std::size_t p = 0; p < kPhases; ++p) {
    const Spread of_phase = spread(seconds, [p](const auto& rank) { return rank[p]; });
    if (of_phase.most > 0)
      table += fmt::format("\n{:<12}{:>10.3f}{:>10.3f}  {}",
                           phase_name(static_cast<Phase>(p)),
                           of_phase.mean,
                           of_phase.most,
                           of_phase.rank);
  }
  const Spread compute = compute_spread(seconds);
  table += fmt::format("\nimbalance {:.2f} (rank {} computes longest), data stall {:.1f} %",
                       imbalance(compute),
                       compute.rank,
                       100 * stall_share(seconds));
  return table;
}

}  // namespace regatta
