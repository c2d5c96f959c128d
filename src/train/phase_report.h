// Where a training's time went, by phase and rank.
#pragma once

#include "comm/communicator.h"
#include "comm/progress.h"

#include <nlohmann/json.hpp>

#include <array>
#include <string>
#include <vector>

namespace regatta {

/// Seconds by phase, of each rank.
using PhaseSeconds = std::vector<std::array<double, kPhases>>;

/// Collective; the same on every rank.
PhaseSeconds gather_phase_seconds(const std::array<double, kPhases>& mine, Communicator& world);

/// By phase: seconds of each rank; then `imbalance` (the busiest rank's forward and backward over
/// the mean), `stall_share` (read and upload over all time, of the worst rank) and `slowest_rank`.
nlohmann::ordered_json phase_report(const PhaseSeconds& seconds);

/// The same for people: a line a phase with mean, most, and the rank that has it.
std::string phase_table(const PhaseSeconds& seconds);

}  // namespace regatta
