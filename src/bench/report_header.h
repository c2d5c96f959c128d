// What every report of `regatta bench` starts with: where, when and what was measured.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace regatta {

/// {machine, commit, date, threads}: the processor's name, the commit of the sources ("+" behind
/// it: changed since; "unknown": built outside a checkout), UTC in ISO 8601, compute_threads().
nlohmann::ordered_json report_header();

}  // namespace regatta
