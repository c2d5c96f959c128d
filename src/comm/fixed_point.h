// Real numbers as integers of a common power of two: their sums have the same bits in any order,
// so for any number of ranks and any shares of the work (docs/numerics.md, "Sums").
#pragma once

#include <cstdint>
#include <span>

namespace regatta {

inline constexpr int kMostShift = 900;  ///< 2^±900 and its products with floats stay normal

/// Shift that gives the number `largest` > 0 about `bits` bits:
/// largest * 2^shift lies in (2^(bits-1), 2^bits]. Held within what a double can scale by.
int fixed_point_shift(double largest, int bits);

/// 2^shift.
double fixed_point_scale(int shift);

/// Largest magnitude; infinity where one of `values` is NaN or infinite; 0 for none.
double largest_magnitude(std::span<const float> values);
double largest_magnitude(std::span<const double> values);

/// sums[k] = or += round(values[k] * 2^shift), ties to even, and returns largest_magnitude(values).
/// Where that times 2^shift is not below `limit` (at most 2^62) nothing is said of `sums`: the
/// caller, who sees it from the result, computes again with another shift.
/// The two spans have equal lengths. Threads: parallel_pieces; results do not depend on them.
double store_fixed_point(std::span<const float> values,
                         int shift,
                         double limit,
                         std::span<std::int64_t> sums);
double store_fixed_point(std::span<const double> values,
                         int shift,
                         double limit,
                         std::span<std::int64_t> sums);
double add_fixed_point(std::span<const float> values,
                       int shift,
                       double limit,
                       std::span<std::int64_t> sums);
double add_fixed_point(std::span<const double> values,
                       int shift,
                       double limit,
                       std::span<std::int64_t> sums);

/// values[k] = sums[k] * 2^-shift, rounded to nearest (through double).
void from_fixed_point(std::span<const std::int64_t> sums, int shift, std::span<float> values);
void from_fixed_point(std::span<const std::int64_t> sums, int shift, std::span<double> values);

}  // namespace regatta
