// Floors: the formulas of the design at hand-computed sizes, and which bound applies.
#include "bench/attention_floor.h"

#include "core/error.h"

#include <gtest/gtest.h>

#include <cmath>

namespace regatta {
namespace {

// N = 100,000, E = 2,400,000, H = 4, D = 64 in fp32: R = 1 KiB.
const AttentionSizes kBig{"gat", 1e5, 2.4e6, 4, 64, 4, 4};
constexpr double kRow = 1024;

AttentionSizes of_kind(const char* kind) {
  AttentionSizes sizes = kBig;
  sizes.kind = kind;
  return sizes;
}

/// At one byte a second a floor is a number of bytes.
MemoryBound unit() {
  MemoryBound bound;
  bound.copy_rate = bound.gather_rate = 1;
  return bound;
}

TEST(AttentionFloor, CountsTheBytesOfTheDesign) {
  const double n = 1e5, e = 2.4e6, h = 4;
  const double slope_bits = h * 64 / 8;  // gatv2's, in place of the design's third row
  EXPECT_DOUBLE_EQ(attention_floor(kBig, true, unit()).compulsory,
                   3 * n * kRow + 12 * n * h + 4 * n + 4 * e);
  EXPECT_DOUBLE_EQ(attention_floor(kBig, true, unit()).gather,
                   e * (kRow + 4 * h) + 2 * n * kRow + 8 * n * h + 4 * n + 4 * e);
  EXPECT_DOUBLE_EQ(attention_floor(kBig, false, unit()).compulsory,
                   6 * n * kRow + 44 * n * h + 4 * n + 4 * e);
  EXPECT_DOUBLE_EQ(attention_floor(kBig, false, unit()).gather,
                   e * (kRow + 12 * h) + 5 * n * kRow + 32 * n * h + 4 * n + 4 * e);
  EXPECT_DOUBLE_EQ(attention_floor(of_kind("gatv2"), false, unit()).gather,
                   e * (2 * kRow + 8 * h + slope_bits) + 6 * n * kRow + 12 * n * h + 8 * n + 8 * e);
  EXPECT_DOUBLE_EQ(attention_floor(of_kind("transformer"), false, unit()).gather,
                   e * (4 * kRow + 8 * h) + 8 * n * kRow + 20 * n * h + 8 * n + 8 * e);
  EXPECT_DOUBLE_EQ(attention_floor(of_kind("dot"), false, unit()).gather,
                   e * (3 * kRow + 8 * h) + 6 * n * kRow + 12 * n * h + 8 * n + 8 * e);
}

TEST(AttentionFloor, TheFasterWayToFetchApplies) {
  MemoryBound bound = unit();
  EXPECT_STREQ(attention_floor(kBig, true, bound).applies_name(), "gather");
  bound.blocked_rate = 2;
  const AttentionFloor blocked = attention_floor(kBig, true, bound);
  EXPECT_STREQ(blocked.applies_name(), "blocked");
  EXPECT_LT(blocked.applies(), blocked.gather);
  bound.blocked_rate = 0.5;
  EXPECT_STREQ(attention_floor(kBig, true, bound).applies_name(), "gather");
  bound.gather_rate = 1e9;
  EXPECT_STREQ(attention_floor(kBig, true, bound).applies_name(), "compulsory");
}

TEST(AttentionFloor, BfloatHalvesRowsButNotScalars) {
  AttentionSizes narrow = kBig;
  narrow.row_value_bytes = 2;
  EXPECT_DOUBLE_EQ(attention_floor(kBig, true, unit()).compulsory -
                       attention_floor(narrow, true, unit()).compulsory,
                   3 * 1e5 * kRow / 2);
}

TEST(AttentionFloor, AGraphWithoutEdgesHasAFloor) {
  AttentionSizes none = kBig;
  none.edges = 0;
  MemoryBound bound;
  bound.copy_rate = 1;
  EXPECT_TRUE(std::isfinite(attention_floor(none, true, bound).applies()));
}

TEST(AttentionFloor, UnknownKindsAreErrors) {
  EXPECT_THROW(attention_floor(of_kind("other"), true, unit()), Error);
}

}  // namespace
}  // namespace regatta
