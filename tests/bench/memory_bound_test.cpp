// The bound must be the memory's: a loop that is slow itself lets kernels seem to beat it.
#include "bench/memory_bound.h"

#include "core/parallel.h"
#include "core/timer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace regatta::test {
namespace {

constexpr std::int64_t kRows = 64;
constexpr std::int64_t kRowBytes = 1024;

std::vector<std::int32_t> scattered(std::size_t count) {
  std::vector<std::int32_t> index(count);
  for (std::size_t e = 0; e < count; ++e) index[e] = static_cast<std::int32_t>(e * 37 % kRows);
  return index;
}

/// Bytes per second of adding up the same rows by words, best of a few runs.
double rate_by_words(const std::vector<std::int32_t>& index) {
  constexpr std::size_t kWords = kRowBytes / sizeof(std::uint64_t);
  const std::vector<std::uint64_t> table(kRows * kWords, 1);
  double best = 1e30;
  for (int run = 0; run < 5; ++run) {
    const Timer timer;
    std::uint64_t sum = 0;
    for (const std::int32_t row : index)
      for (std::size_t k = 0; k < kWords; ++k)
        sum += table[static_cast<std::size_t>(row) * kWords + k];
    best = std::min(best, timer.seconds());
    EXPECT_EQ(sum, index.size() * kWords);
  }
  return static_cast<double>(index.size()) * kRowBytes / best;
}

// By vectors that the compiler took through the stack, rows came at a fifth of the rate of words.
TEST(MemoryBound, GathersFromANearTableAsFastAsWordsAreAdded) {
  set_compute_threads(1);
  const std::vector<std::int32_t> index = scattered(100'000);
  const MemoryBound bound = measure_memory_bound(1 << 20, kRows, kRowBytes, index);
  EXPECT_GT(bound.gather_rate, 0.6 * rate_by_words(index));
}

}  // namespace
}  // namespace regatta::test
