#include "bench/time_spread.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace regatta {

nlohmann::ordered_json time_spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  const double median = n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
  return {{"median", median}, {"minimum", values.front()}, {"maximum", values.back()}};
}

}  // namespace regatta
