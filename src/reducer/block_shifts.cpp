#include "reducer/block_shifts.h"

#include "comm/fixed_point.h"
#include "core/error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace regatta {
namespace {

constexpr std::int64_t kUnknown = std::numeric_limits<std::int64_t>::min();

}  // namespace

BlockShifts::BlockShifts(std::vector<FixedPointBits> blocks)
    : blocks_(std::move(blocks)), shifts_(blocks_.size()) {}

double BlockShifts::limit(std::int64_t micro_batches) {
  return 0x1p62 / static_cast<double>(std::max<std::int64_t>(1, micro_batches));
}

bool BlockShifts::fits(std::size_t block, double largest, double limit) const {
  if (largest == 0)
    return true;
  if (!shifts_[block])
    return false;
  const FixedPointBits& bits = blocks_[block];
  const double reached = largest * fixed_point_scale(*shifts_[block]);
  // A shift at the end of its range is as good as it gets.
  const bool precise = reached >= std::ldexp(1.0, bits.bits - bits.slack) ||
                       fixed_point_shift(largest, bits.bits) == *shifts_[block];
  return reached < limit && precise;
}

bool BlockShifts::settle(std::span<const double> largest, std::int64_t micro_batches) {
  REGATTA_CHECK(largest.size() == size());
  bool finite = true, good = true;
  for (std::size_t b = 0; b < size(); ++b) {
    const bool block_finite = std::isfinite(largest[b]);
    finite = finite && block_finite;
    good = good && (!block_finite || fits(b, largest[b], limit(micro_batches)));
  }
  for (std::size_t b = 0; b < size(); ++b) {
    if (largest[b] > 0 && std::isfinite(largest[b]))
      shifts_[b] = fixed_point_shift(largest[b], blocks_[b].bits);
  }
  return good || !finite;
}

std::vector<std::int64_t> BlockShifts::state() const {
  std::vector<std::int64_t> state;
  for (const auto& shift : shifts_) state.push_back(shift ? *shift : kUnknown);
  return state;
}

void BlockShifts::restore(std::span<const std::int64_t> state) {
  if (state.size() != size())
    fail(ExitCode::kData, "{} fixed-point shifts for {} blocks", state.size(), size());
  for (const std::int64_t shift : state) {
    if (shift != kUnknown && std::abs(shift) > kMostShift)
      fail(ExitCode::kData, "fixed-point shift {} is out of range", shift);
  }
  for (std::size_t b = 0; b < size(); ++b)
    shifts_[b] = state[b] == kUnknown ? std::nullopt : std::optional(static_cast<int>(state[b]));
}

}  // namespace regatta
