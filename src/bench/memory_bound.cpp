// Copies and gathers by plain loops in pieces, the way kernels share their rows out.
#include "bench/memory_bound.h"

#include "core/huge_pages.h"
#include "core/parallel.h"
#include "core/timer.h"
#include "kernels/cpu/gathered_rows.h"
#include "kernels/cpu/third_level_cache.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <vector>

namespace regatta {
namespace {

constexpr std::int64_t kPieces = 64;
constexpr int kRuns = 4;
/// Tables that are not cut into tiles.
constexpr std::int64_t kSmallTable = std::int64_t{13} << 20;
/// Rows asked for ahead: which distance is fastest depends on the row and the machine.
constexpr std::array<std::int64_t, 3> kDistances{8, 32, 96};

using Words = std::uint32_t;

/// Words in huge pages, else the bound would be the page tables' and not the memory's; they hold
/// whatever is written there.
class HugeWords {
 public:
  explicit HugeWords(std::size_t count) : memory_(huge_page_bytes(count * sizeof(Words))) {
    if (memory_ == nullptr)
      throw std::bad_alloc();
  }
  Words* get() const { return reinterpret_cast<Words*>(memory_.get()); }

 private:
  std::unique_ptr<std::byte, void (*)(void*)> memory_;
};

double best_seconds(int runs, const std::function<void()>& run) {
  double best = 1e30;
  for (int k = 0; k < runs; ++k) {
    const Timer timer;
    run();
    best = std::min(best, timer.seconds());
  }
  return best;
}

/// [begin, end) of piece p of `count` things.
struct Piece {
  Piece(std::int64_t count, std::int64_t p)
      : begin(count * p / kPieces), end(count * (p + 1) / kPieces) {}
  std::int64_t begin, end;
};

void gather(const cpu::GatheredRows& table, std::atomic<Words>& total) {
  const auto edges = static_cast<std::int64_t>(table.index.size());
  parallel_pieces(kPieces, [&](std::int64_t p) {
    const Piece piece(edges, p);
    total += cpu::sum_gathered_rows(table, piece.begin, piece.end);
  });
}

void pack(const cpu::GatheredRows& table,
          std::int64_t nodes,
          std::size_t first,
          std::size_t words,
          Words* to) {
  parallel_pieces(kPieces, [&](std::int64_t p) {
    const Piece piece(nodes, p);
    for (std::int64_t i = piece.begin; i < piece.end; ++i) {
      const auto row = static_cast<std::size_t>(i);
      std::memcpy(to + row * words, table.data + row * table.words + first, words * sizeof(Words));
    }
  });
}

/// Seconds of one gather by tiles of `words` words, packing included.
double blocked_seconds(const cpu::GatheredRows& table,
                       std::int64_t nodes,
                       std::size_t words,
                       Words* packed,
                       std::atomic<Words>& total) {
  double best = 1e30;
  for (const std::int64_t ahead : kDistances)
    best = std::min(best, best_seconds(kRuns / 2, [&] {
                      for (std::size_t first = 0; first < table.words; first += words) {
                        const std::size_t width = std::min(words, table.words - first);
                        pack(table, nodes, first, width, packed);
                        gather({packed, width, table.index, ahead}, total);
                      }
                    }));
  return best;
}

/// The largest tile: what the third-level cache holds, or what a small one would.
std::int64_t most_tile_bytes() {
  return std::max(kSmallTable, static_cast<std::int64_t>(cpu::third_level_cache_bytes() / 8 * 7));
}

void measure_blocked(const cpu::GatheredRows& table,
                     std::int64_t nodes,
                     MemoryBound& bound,
                     std::atomic<Words>& total) {
  const std::int64_t table_bytes = nodes * static_cast<std::int64_t>(table.words * sizeof(Words));
  if (table_bytes <= kSmallTable)
    return;
  const std::int64_t most = std::min(most_tile_bytes(), table_bytes);
  const double bytes =
      static_cast<double>(table.index.size()) * static_cast<double>(table.words * sizeof(Words));
  const HugeWords packed(static_cast<std::size_t>(most) / sizeof(Words));
  for (std::size_t words = 64 / sizeof(Words); words < table.words; words *= 2) {
    const auto tile_bytes = static_cast<std::int64_t>(words * sizeof(Words));
    if (nodes * tile_bytes > most)
      break;
    const double rate = bytes / blocked_seconds(table, nodes, words, packed.get(), total);
    if (rate > bound.blocked_rate) {
      bound.blocked_rate = rate;
      bound.tile_bytes = tile_bytes;
    }
  }
}

}  // namespace

double measure_copy_rate(std::int64_t bytes) {
  const std::vector<char> from(static_cast<std::size_t>(bytes), 1);
  std::vector<char> to(from.size());
  const double seconds = best_seconds(kRuns, [&] {
    parallel_pieces(kPieces, [&](std::int64_t p) {
      const Piece piece(bytes, p);
      std::memcpy(to.data() + piece.begin,
                  from.data() + piece.begin,
                  static_cast<std::size_t>(piece.end - piece.begin));
    });
  });
  return 2.0 * static_cast<double>(bytes) / seconds;
}

MemoryBound measure_memory_bound(std::int64_t copy_bytes,
                                 std::int64_t nodes,
                                 std::int64_t row_bytes,
                                 std::span<const std::int32_t> index) {
  MemoryBound bound;
  bound.copy_rate = measure_copy_rate(copy_bytes);
  if (index.empty())
    return bound;
  const auto words = static_cast<std::size_t>((row_bytes + 3) / 4);
  const HugeWords values(static_cast<std::size_t>(nodes) * words);
  std::fill_n(values.get(), static_cast<std::size_t>(nodes) * words, 1);
  cpu::GatheredRows table{values.get(), words, index};
  std::atomic<Words> total{0};
  double seconds = 1e30;
  for (const std::int64_t ahead : kDistances) {
    table.ahead = ahead;
    seconds = std::min(seconds, best_seconds(kRuns, [&] { gather(table, total); }));
  }
  bound.gather_rate =
      static_cast<double>(index.size()) * static_cast<double>(words * sizeof(Words)) / seconds;
  measure_blocked(table, nodes, bound, total);
  return bound;
}

}  // namespace regatta
