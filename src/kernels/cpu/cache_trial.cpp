#include "kernels/cpu/cache_trial.h"

#include "core/huge_pages.h"
#include "core/parallel.h"
#include "core/split_mix.h"
#include "core/timer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>

namespace regatta::cpu {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kRow = 4 * kLine;  ///< of the widest tile
constexpr std::uint64_t kRowsAhead = 16;
constexpr std::uint64_t kMostFetches = 150'000;
constexpr std::int64_t kPieces = 64;

struct Table {
  const std::byte* base;
  std::uint64_t rows;

  /// Of a number, uniform.
  const std::byte* random_row(std::uint64_t number) const {
    return base + ((split_mix(number) >> 32) * rows >> 32) * kRow;
  }
};

/// A byte of each line is read.
unsigned fetch_rows(const Table& table, std::uint64_t first, std::uint64_t last) {
  unsigned sum = 0;
  for (std::uint64_t k = first; k < last; ++k) {
    const std::byte* ahead = table.random_row(k + kRowsAhead);
    const std::byte* row = table.random_row(k);
    for (std::size_t at = 0; at < kRow; at += kLine) {
      __builtin_prefetch(ahead + at);
      sum += static_cast<unsigned>(row[at]);
    }
  }
  return sum;
}

/// Rows a second, once the caches hold what they will hold of the table.
double rate(const Table& table, std::atomic<unsigned>& total) {
  const std::uint64_t fetches = std::min(2 * table.rows, kMostFetches);
  double seconds = 0;
  for (std::uint64_t run = 0; run < 2; ++run) {
    const Timer timer;
    parallel_pieces(kPieces, [&](std::int64_t p) {
      const auto piece = static_cast<std::uint64_t>(p);
      const std::uint64_t from = (run * kPieces + piece) * fetches;
      total += fetch_rows(table, from, from + fetches / kPieces);
    });
    seconds = timer.seconds();
  }
  return static_cast<double>(fetches) / seconds;
}

}  // namespace

double rate_beside_small(std::size_t bytes) {
  const auto memory = huge_page_bytes(bytes);
  if (memory == nullptr)
    return 0;
  std::memset(memory.get(), 0, bytes);
  const Table whole{memory.get(), bytes / kRow};
  const Table small{whole.base, std::min(whole.rows, kSmallTable / kRow)};
  std::atomic<unsigned> total{0};
  // In turns, since what others leave of the cache changes with time.
  std::array<double, 5> ratio{};
  for (double& of_round : ratio) {
    const double beside = rate(small, total);
    of_round = rate(whole, total) / beside;
  }
  std::ranges::nth_element(ratio, ratio.begin() + ratio.size() / 2);
  return ratio[ratio.size() / 2];
}

}  // namespace regatta::cpu
