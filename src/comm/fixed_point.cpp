#include "comm/fixed_point.h"

#include "core/error.h"
#include "core/parallel.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

namespace regatta {
namespace {

constexpr std::int64_t kPiece = 8192;  ///< elements a thread takes at a time

template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

/// Magnitudes order as their bits do, and NaN lies above infinity: one integer maximum finds all.
template <class T>
double largest_of(std::span<const T> values) {
  constexpr Bits<T> kMagnitude = std::numeric_limits<Bits<T>>::max();
  Bits<T> largest = 0;
  for (const T value : values)
    largest = std::max<Bits<T>>(largest, std::bit_cast<Bits<T>>(value) & kMagnitude);
  const T found = std::bit_cast<T>(largest);
  return std::isfinite(found) ? static_cast<double>(found)
                              : std::numeric_limits<double>::infinity();
}

template <bool kAdds, class T>
void convert(std::span<const T> values, double scale, std::int64_t* sums) {
  // Below 2^51 in magnitude, adding 1.5 * 2^52 leaves the rounded integer in the low bits.
  constexpr double kMagic = 6755399441055744.0;
  const auto magic = std::bit_cast<std::int64_t>(kMagic);
  for (std::size_t k = 0; k < values.size(); ++k) {
    const double shifted = static_cast<double>(values[k]) * scale + kMagic;
    const std::int64_t rounded = std::bit_cast<std::int64_t>(shifted) - magic;
    sums[k] = kAdds ? sums[k] + rounded : rounded;
  }
}

template <bool kAdds, class T>
void convert_large(std::span<const T> values, double scale, std::int64_t* sums) {
  for (std::size_t k = 0; k < values.size(); ++k) {
    const std::int64_t rounded = std::llrint(static_cast<double>(values[k]) * scale);
    sums[k] = kAdds ? sums[k] + rounded : rounded;
  }
}

template <bool kAdds, class T>
double piece_to_fixed(std::span<const T> values, double scale, double limit, std::int64_t* sums) {
  const double largest = largest_of(values);
  const double reached = largest * scale;
  if (reached < std::min(limit, 0x1p51))
    convert<kAdds>(values, scale, sums);
  else if (reached < limit)
    convert_large<kAdds>(values, scale, sums);
  return largest;
}

template <bool kAdds, class T>
double to_fixed(std::span<const T> values,
                int shift,
                double limit,
                std::span<std::int64_t> sums) {
  REGATTA_CHECK(values.size() == sums.size() && limit <= 0x1p62);
  const auto count = static_cast<std::int64_t>(values.size());
  const double scale = fixed_point_scale(shift);
  std::vector<double> largest(static_cast<std::size_t>((count + kPiece - 1) / kPiece), 0.0);
  parallel_pieces(static_cast<std::int64_t>(largest.size()), [&](std::int64_t piece) {
    const auto begin = static_cast<std::size_t>(piece * kPiece);
    const auto length = std::min(static_cast<std::size_t>(kPiece), values.size() - begin);
    largest[static_cast<std::size_t>(piece)] = piece_to_fixed<kAdds>(
        values.subspan(begin, length), scale, limit, sums.data() + begin);
  });
  double all = 0;
  for (const double of_piece : largest) all = std::max(all, of_piece);
  return all;
}

template <class T>
void from_fixed(std::span<const std::int64_t> sums, int shift, std::span<T> values) {
  REGATTA_CHECK(values.size() == sums.size());
  const double scale = fixed_point_scale(-shift);
  const auto count = static_cast<std::int64_t>(values.size());
  parallel_pieces((count + kPiece - 1) / kPiece, [&](std::int64_t piece) {
    const std::int64_t end = std::min(count, (piece + 1) * kPiece);
    for (auto k = static_cast<std::size_t>(piece * kPiece); k < static_cast<std::size_t>(end); ++k)
      values[k] = static_cast<T>(static_cast<double>(sums[k]) * scale);
  });
}

}  // namespace

int fixed_point_shift(double largest, int bits) {
  REGATTA_CHECK(largest > 0 && std::isfinite(largest), "no shift for {}", largest);
  int exponent = 0;
  const double fraction = std::frexp(largest, &exponent);  // largest = fraction * 2^exponent
  if (fraction == 0.5)
    --exponent;  // a power of two is its own ceiling
  return std::clamp(bits - exponent, -kMostShift, kMostShift);
}

double fixed_point_scale(int shift) {
  REGATTA_CHECK(std::abs(shift) <= kMostShift, "shift {}", shift);
  return std::ldexp(1.0, shift);
}

double largest_magnitude(std::span<const float> values) {
  return largest_of(values);
}
double largest_magnitude(std::span<const double> values) {
  return largest_of(values);
}

double store_fixed_point(std::span<const float> values,
                         int shift,
                         double limit,
                         std::span<std::int64_t> sums) {
  return to_fixed<false>(values, shift, limit, sums);
}
double store_fixed_point(std::span<const double> values,
                         int shift,
                         double limit,
                         std::span<std::int64_t> sums) {
  return to_fixed<false>(values, shift, limit, sums);
}
double add_fixed_point(std::span<const float> values,
                       int shift,
                       double limit,
                       std::span<std::int64_t> sums) {
  return to_fixed<true>(values, shift, limit, sums);
}
double add_fixed_point(std::span<const double> values,
                       int shift,
                       double limit,
                       std::span<std::int64_t> sums) {
  return to_fixed<true>(values, shift, limit, sums);
}

void from_fixed_point(std::span<const std::int64_t> sums, int shift, std::span<float> values) {
  from_fixed(sums, shift, values);
}
void from_fixed_point(std::span<const std::int64_t> sums, int shift, std::span<double> values) {
  from_fixed(sums, shift, values);
}

}  // namespace regatta
