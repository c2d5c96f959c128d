// What the third level holds is tried on the machine, so tests ask only for what is true on any.
#include "kernels/cpu/third_level_cache.h"

#include "core/parallel.h"
#include "kernels/cpu/cache_trial.h"
#include "kernels/cpu/edge_blocks.h"
#include "kernels/cpu/told_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <thread>
#include <vector>

namespace regatta::test {
namespace {

using cpu::third_level_cache_holds;

/// Above what is never tried, to beyond the cache, in an order that is no order.
std::vector<std::size_t> sizes() {
  std::vector<std::size_t> all;
  for (const std::size_t eighths : {7, 3, 5, 2, 6, 4, 8})
    all.push_back(cpu::third_level_cache_bytes() / 8 * eighths);
  return all;
}

// Memory is planned by one answer and used by the next.
TEST(ThirdLevelCache, AnswersAlikeForASizeAndItsLess) {
  std::vector<bool> held;
  for (const std::size_t size : sizes()) held.push_back(third_level_cache_holds(size));
  for (std::size_t a = 0; a < held.size(); ++a) {
    EXPECT_EQ(third_level_cache_holds(sizes()[a]), held[a]) << sizes()[a];
    for (std::size_t b = 0; b < held.size(); ++b)
      EXPECT_TRUE(!held[a] || held[b] || sizes()[b] > sizes()[a])
          << sizes()[a] << " bytes are held and " << sizes()[b] << " are not";
  }
}

TEST(ThirdLevelCache, HoldsNoMoreThanTheSystemTells) {
  const std::size_t told = cpu::third_level_cache_bytes();
  EXPECT_FALSE(third_level_cache_holds(told / 8 * 7 + 1));
  EXPECT_EQ(third_level_cache_holds(1 << 20), told / 8 * 7 >= 1 << 20);
}

// Ranks of a machine that each count the whole cache would drive each other out of it.
TEST(LargeThirdLevelCache, IsSharedByThreads) {
  const std::size_t told = cpu::third_level_cache_bytes();
  const auto processors = static_cast<int>(std::max(std::thread::hardware_concurrency(), 1U));
  set_compute_threads(processors);
  EXPECT_FALSE(cpu::large_third_level_cache_holds(told / 2 + 1));
  set_compute_threads(1);
  if (told > 0 && processors > 1) {
    EXPECT_FALSE(cpu::large_third_level_cache_holds(told / 2));
  }
}

TEST(ToldCache, GrowsWithTheLevelAndHoldsTwoBlocks) {
  const std::size_t second = cpu::told_cache_bytes(2);
  const std::size_t third = cpu::told_cache_bytes(3);
  EXPECT_TRUE(third == 0 || third >= second) << second << " and " << third;
  EXPECT_GT(cpu::block_bytes(), 0U);
  EXPECT_TRUE(second == 0 || 2 * cpu::block_bytes() <= second) << second;
}

// Loose, since tests run beside others: no way of two that fetch the same bytes from one cache is
// ten times the other.
TEST(ThirdLevelCache, TrialsCompareTwoWays) {
  for (const std::size_t bytes : {std::size_t{256}, std::size_t{8} << 20, std::size_t{16} << 20}) {
    const double gain = cpu::wide_beside_narrow(bytes);
    EXPECT_TRUE(gain > 0.1 && gain < 10) << bytes << " bytes: " << gain;
  }
}

}  // namespace
}  // namespace regatta::test
