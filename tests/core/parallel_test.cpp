// Parallel pieces: each exactly once, and exceptions come back to the caller.
#include "core/parallel.h"

#include "core/error.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace regatta {
namespace {

class ParallelPieces : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { set_compute_threads(GetParam()); }
  void TearDown() override { set_compute_threads(1); }
};

TEST_P(ParallelPieces, RunsEveryPieceOnce) {
  for (const std::int64_t pieces : {0, 1, 2, 1000}) {
    std::vector<std::atomic<int>> runs(static_cast<std::size_t>(pieces));
    parallel_pieces(pieces, [&](std::int64_t i) { ++runs[static_cast<std::size_t>(i)]; });
    for (const auto& count : runs) EXPECT_EQ(count.load(), 1);
  }
}

TEST_P(ParallelPieces, RethrowsAnException) {
  const auto body = [](std::int64_t piece) {
    if (piece == 37)
      throw std::runtime_error("piece 37");
  };
  EXPECT_THROW(parallel_pieces(100, body), std::runtime_error);
  // The next loop is not affected by the failed one.
  std::atomic<int> count{0};
  parallel_pieces(10, [&](std::int64_t) { ++count; });
  EXPECT_EQ(count.load(), 10);
}

INSTANTIATE_TEST_SUITE_P(Threads, ParallelPieces, testing::Values(1, 2, 4));

TEST(ComputeThreads, RefusesNone) {
  EXPECT_THROW(set_compute_threads(0), Error);
  EXPECT_EQ(compute_threads(), 1);
}

}  // namespace
}  // namespace regatta
