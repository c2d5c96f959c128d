// Times as median, minimum and maximum.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <vector>

namespace regatta {

/// {median, minimum, maximum} of at least one value, in the unit given.
nlohmann::ordered_json time_spread(std::vector<double> values);

}  // namespace regatta
