// Random numbers: the known answers of Philox4x32-10 (Random123's kat_vectors), and their
// properties.
#include "core/rng.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace regatta {
namespace {

TEST(Philox, GivesTheKnownAnswers) {
  EXPECT_THAT(random_words({0}, 0, 0),
              testing::ElementsAre(0x6627E8D5U, 0xE169C58DU, 0xBC57AC4CU, 0x9B00DBD8U));
  EXPECT_THAT(random_words({~0ULL}, ~0ULL, ~0ULL),
              testing::ElementsAre(0x408F276DU, 0x41C83B0EU, 0xA20BC7C6U, 0x6D5451FDU));
  EXPECT_THAT(random_words({0x299F31D0A4093822ULL}, 0x85A308D3243F6A88ULL, 0x0370734413198A2EULL),
              testing::ElementsAre(0xD16CFE09U, 0x94FDCCEBU, 0x5001E420U, 0x24126EA1U));
}

TEST(RandomKeys, DifferInEveryArgument) {
  std::set<std::uint64_t> keys;
  std::size_t made = 0;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    for (std::uint64_t step = 0; step < 8; ++step) {
      for (std::uint64_t layer = 0; layer < 8; ++layer) {
        for (const auto purpose : {RandomPurpose::kInputDropout, RandomPurpose::kSplit}) {
          keys.insert(make_random_key(seed, purpose, step, layer).value);
          ++made;
        }
      }
    }
  }
  keys.insert(make_random_key(1, RandomPurpose::kInitialWeights, "layers.0.weight").value);
  keys.insert(make_random_key(1, RandomPurpose::kInitialWeights, "layers.1.weight").value);
  EXPECT_EQ(keys.size(), made + 2);
}

TEST(RandomStream, NumbersLieInTheirRanges) {
  RandomStream stream({7});
  for (int i = 0; i < 10000; ++i) {
    const double value = stream.next_double();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    ASSERT_LT(stream.next_below(3), 3U);
  }
  EXPECT_EQ(stream.next_below(1), 0U);
  EXPECT_EQ(uniform_float(~0U), 1.0F - 0x1.0p-24F);
  EXPECT_LT(uniform_double(~0U, ~0U), 1.0);
}

TEST(RandomStream, BelowIsUniform) {
  RandomStream stream({11});
  constexpr int kCells = 10;
  constexpr double kDraws = 100000;
  std::vector<double> count(kCells);
  for (int i = 0; i < static_cast<int>(kDraws); ++i) count[stream.next_below(kCells)] += 1;
  double chi_squared = 0;
  for (const double n : count) {
    chi_squared += (n - kDraws / kCells) * (n - kDraws / kCells) / (kDraws / kCells);
  }
  EXPECT_LT(chi_squared, 27.9);  // 9 degrees of freedom, p = 0.001; the stream is fixed
}

TEST(RandomStream, NormalsHaveTheMomentsOfANormal) {
  RandomStream stream({13});
  constexpr int kDraws = 100000;
  double sum = 0;
  double squares = 0;
  double fourth = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = stream.next_normal();
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.02);
  EXPECT_NEAR(squares / kDraws, 1, 0.02);
  EXPECT_NEAR(fourth / kDraws, 3, 0.15);
}

TEST(DropoutThreshold, KeepsTheRightShareAndHoldsAtTheEnds) {
  EXPECT_EQ(dropout_threshold(0), 0U);
  EXPECT_EQ(dropout_threshold(0.5), 0x80000000U);
  EXPECT_EQ(dropout_threshold(1), ~0U);
  int kept = 0;
  for (std::uint64_t id = 0; id < 20000; ++id) {
    for (const std::uint32_t word : random_words({3}, id, 0)) {
      kept += word >= dropout_threshold(0.6) ? 1 : 0;
    }
  }
  EXPECT_NEAR(kept / 80000.0, 0.4, 0.01);
}

}  // namespace
}  // namespace regatta
