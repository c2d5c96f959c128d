#include "comm/reproducible_sum.h"

#include "comm/fixed_point.h"
#include "core/error.h"

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace regatta {
namespace {

constexpr int kBits = 50;

}  // namespace

double reproducible_sum(std::span<const double> mine, Communicator& world) {
  // Magnitudes order as their bits do.
  const double here = largest_magnitude(mine);
  const double largest = std::bit_cast<double>(world.all_reduce_max(std::bit_cast<std::int64_t>(here)));
  if (!std::isfinite(largest))
    return std::numeric_limits<double>::quiet_NaN();
  if (largest == 0)
    return 0;
  const int shift = fixed_point_shift(largest, kBits);
  std::vector<std::int64_t> fixed(mine.size());
  store_fixed_point(mine, shift, 0x1p62, fixed);
  std::array<std::int64_t, 2> sum{0, static_cast<std::int64_t>(mine.size())};
  for (const std::int64_t value : fixed) sum[0] += value;
  world.all_reduce_sum(std::span<std::int64_t>(sum));
  REGATTA_CHECK(sum[1] <= std::int64_t{1} << 12, "{} numbers may overflow their sum", sum[1]);
  double total = 0;
  from_fixed_point({&sum[0], 1}, shift, std::span<double>(&total, 1));
  return total;
}

}  // namespace regatta
