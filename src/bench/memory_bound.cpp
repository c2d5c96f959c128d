// Copies and gathers by plain loops in pieces, the way kernels share their rows out.
#include "bench/memory_bound.h"

#include "core/parallel.h"
#include "core/timer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <vector>

namespace regatta {
namespace {

constexpr std::int64_t kPieces = 64;
constexpr int kRuns = 4;

double best_seconds(const std::function<void(std::int64_t)>& piece) {
  double best = 1e30;
  for (int run = 0; run < kRuns; ++run) {
    const Timer timer;
    parallel_pieces(kPieces, piece);
    best = std::min(best, timer.seconds());
  }
  return best;
}

/// Sum of a row's words in 16 lanes, so that the compiler uses vectors and no chain of additions
/// limits.
std::uint32_t sum_row(const std::uint32_t* row, std::size_t words) {
  std::array<std::uint32_t, 16> lanes{};
  std::size_t k = 0;
  for (; k + 16 <= words; k += 16)
    for (std::size_t lane = 0; lane < 16; ++lane) lanes[lane] += row[k + lane];
  for (; k < words; ++k) lanes[0] += row[k];
  std::uint32_t sum = 0;
  for (const std::uint32_t lane : lanes) sum += lane;
  return sum;
}

}  // namespace

MemoryBound measure_memory_bound(std::int64_t copy_bytes,
                                 std::int64_t nodes,
                                 std::int64_t row_bytes,
                                 std::span<const std::int32_t> index) {
  const auto words = static_cast<std::size_t>(row_bytes / 4);
  const std::vector<std::uint32_t> table(static_cast<std::size_t>(nodes) * words, 1);
  const std::vector<char> from(static_cast<std::size_t>(copy_bytes), 1);
  std::vector<char> to(from.size());
  MemoryBound bound;
  bound.copy_rate =
      2.0 * static_cast<double>(copy_bytes) / best_seconds([&](std::int64_t p) {
        const std::int64_t begin = copy_bytes / kPieces * p;
        const std::int64_t end = p + 1 == kPieces ? copy_bytes : begin + copy_bytes / kPieces;
        std::memcpy(to.data() + begin, from.data() + begin, static_cast<std::size_t>(end - begin));
      });
  std::atomic<std::uint32_t> total{0};
  const auto count = static_cast<std::int64_t>(index.size());
  const double seconds = best_seconds([&](std::int64_t p) {
    constexpr std::int64_t kAhead = 8;
    std::uint32_t sum = 0;
    const std::int64_t end = count * (p + 1) / kPieces;
    for (std::int64_t e = count * p / kPieces; e < end; ++e) {
      if (e + kAhead < end) {
        const std::uint32_t* later =
            table.data() +
            static_cast<std::size_t>(index[static_cast<std::size_t>(e + kAhead)]) * words;
        for (std::size_t k = 0; k < words; k += 16) __builtin_prefetch(later + k);
      }
      sum += sum_row(
          table.data() + static_cast<std::size_t>(index[static_cast<std::size_t>(e)]) * words,
          words);
    }
    total += sum;
  });
  bound.gather_rate = static_cast<double>(count) * static_cast<double>(row_bytes) / seconds;
  return bound;
}

}  // namespace regatta
