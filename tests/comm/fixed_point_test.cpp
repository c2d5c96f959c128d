// Numbers as integers of a common power of two, against exact arithmetic.
#include "comm/fixed_point.h"

#include "core/parallel.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace regatta {
namespace {

TEST(FixedPointShiftTest, TheLargestGetsTheBits) {
  for (const double largest : {1.0, 0.5, 3.0, 1e-30, 7e30, 0x1p-149, 0x1.fp-3}) {
    const double reached = std::ldexp(largest, fixed_point_shift(largest, 40));
    EXPECT_GT(reached, 0x1p39) << largest;
    EXPECT_LE(reached, 0x1p40) << largest;
  }
  EXPECT_EQ(fixed_point_shift(1e-320, 50), 900) << "held where a double can still scale";
}

RC_GTEST_PROP(FixedPointPropertyTest,
              SumsDoNotDependOnTheOrder,
              (std::vector<std::int32_t> mantissas, std::uint8_t spread)) {
  std::vector<float> values;
  for (std::size_t k = 0; k < mantissas.size(); ++k)
    values.push_back(std::ldexp(static_cast<float>(mantissas[k]),
                                -static_cast<int>(k % (1 + spread % 20))));
  const double largest = largest_magnitude(values);
  RC_PRE(largest > 0);
  const int shift = fixed_point_shift(largest, 40);
  const auto sum_of = [&](const std::vector<float>& list) {
    std::int64_t sum = 0;
    for (const float& value : list) add_fixed_point({&value, 1}, shift, 0x1p62, {&sum, 1});
    return sum;
  };
  std::vector<float> turned(values.rbegin(), values.rend());
  RC_ASSERT(sum_of(values) == sum_of(turned));
  long double exact = 0;
  for (const float value : values) exact += value;
  const long double found = std::ldexp(static_cast<long double>(sum_of(values)), -shift);
  const auto bound = static_cast<long double>(values.size()) * largest * 0x1p-40L;
  RC_ASSERT(std::fabs(found - exact) <= bound);
}

TEST(FixedPointTest, RoundsTiesToEvenAtEverySize) {
  const std::vector<double> values{0.5, 1.5, 2.5, -0.5, -1.5, 0x1p50 + 0.5, 0x1p52 + 1, -0x1p60};
  std::vector<std::int64_t> sums(values.size(), 7);
  EXPECT_EQ(store_fixed_point(values, 0, 0x1p62, sums), 0x1p60);
  EXPECT_EQ(sums,
            (std::vector<std::int64_t>{0,
                                       2,
                                       2,
                                       0,
                                       -2,
                                       std::int64_t{1} << 50,
                                       (std::int64_t{1} << 52) + 1,
                                       -(std::int64_t{1} << 60)}));
  // Small magnitudes alone take the other way of rounding; the answers agree.
  for (std::size_t k = 0; k < 6; ++k) {
    std::int64_t alone = 0;
    store_fixed_point({&values[k], 1}, 0, 0x1p62, {&alone, 1});
    EXPECT_EQ(alone, sums[k]) << values[k];
  }
}

TEST(FixedPointTest, WhatIsNotFiniteIsInfinitelyLarge) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<float> nan{1, -std::numeric_limits<float>::quiet_NaN(), 2};
  const std::vector<double> minus_infinity{1, -infinity};
  std::vector<std::int64_t> sums(3);
  EXPECT_EQ(largest_magnitude(nan), infinity);
  EXPECT_EQ(add_fixed_point(nan, 0, 0x1p62, sums), infinity);
  EXPECT_EQ(largest_magnitude(minus_infinity), infinity);
  EXPECT_EQ(largest_magnitude(std::span<const float>()), 0);
}

TEST(FixedPointTest, ThreadsDoNotMatterAndValuesComeBack) {
  std::vector<float> values(50001);
  for (std::size_t k = 0; k < values.size(); ++k)
    values[k] = std::sin(static_cast<float>(k)) * std::ldexp(1.0F, static_cast<int>(k % 12));
  const int shift = fixed_point_shift(largest_magnitude(values), 40);
  std::vector<std::vector<std::int64_t>> sums;
  for (const int threads : {1, 2, 3}) {
    set_compute_threads(threads);
    sums.emplace_back(values.size());
    store_fixed_point(values, shift, 0x1p62, sums.back());
    add_fixed_point(values, shift, 0x1p62, sums.back());
    EXPECT_EQ(sums.back(), sums.front());
  }
  set_compute_threads(1);
  std::vector<float> back(values.size());
  from_fixed_point(sums[0], shift, back);
  for (std::size_t k = 0; k < values.size(); ++k)
    ASSERT_NEAR(back[k], 2 * values[k], 2048 * 0x1p-40 + 1e-6 * std::fabs(values[k]));
}

}  // namespace
}  // namespace regatta
