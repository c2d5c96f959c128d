// By the kernel that the answer is for: whether rows come from a cache decides as much as what an
// edge costs beside its row, and the two differ from machine to machine.
#include "kernels/cpu/cache_trial.h"

#include "core/huge_pages.h"
#include "core/split_mix.h"
#include "core/timer.h"
#include "kernels/cpu/weighted_sums.h"
#include "kernels/cpu/workspace_parts.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

namespace regatta::cpu {
namespace {

constexpr std::size_t kRow = kMostTileColumns * sizeof(float);
constexpr std::size_t kEdgesOfItem = 16;
constexpr std::size_t kMostEdges = 1'000'000;

/// Items whose edges name rows at random: three times as many edges as rows, so that nearly all
/// rows are fetched, up to kMostEdges.
class RandomGraph {
 public:
  explicit RandomGraph(std::size_t rows) {
    const std::size_t items =
        std::max(std::min(3 * rows, kMostEdges) / kEdgesOfItem, std::size_t{1});
    begin_.resize(items + 1);
    for (std::size_t i = 0; i <= items; ++i)
      begin_[i] = static_cast<std::int64_t>(i * kEdgesOfItem);
    index_.resize(items * kEdgesOfItem);
    for (std::size_t e = 0; e < index_.size(); ++e)
      index_[e] = static_cast<std::int32_t>((split_mix(e) >> 32) * rows >> 32);
    weight_.assign(index_.size() + kWeightSlack / sizeof(float), 1.0F);
  }

  EdgeLists lists() const {
    return {static_cast<std::int64_t>(begin_.size()) - 1, begin_.data(), nullptr, index_.data()};
  }
  const float* weight() const { return weight_.data(); }

 private:
  std::vector<std::int64_t> begin_;
  std::vector<std::int32_t> index_;
  std::vector<float> weight_;
};

/// Seconds of gat's sums by one tile of so many columns.
double seconds_by_tile(const RandomGraph& graph, const std::byte* table, std::size_t columns) {
  WeightedSums sums;
  sums.edges = graph.lists();
  sums.group = {0, 1, 1};
  sums.weight = graph.weight();
  sums.use = WeightUse::kMagnitudeAndSecond;
  sums.table = {table, columns, true};
  sums.tile = {0, columns, columns * sizeof(float) / 64, true};
  sums.width = columns;
  sums.finish = [](const void*, std::int64_t, const ColumnTile&, const void*, const void*) {};
  weighted_sums(sums);  // first the cache gets what it will hold
  const Timer timer;
  weighted_sums(sums);
  return timer.seconds();
}

}  // namespace

double wide_beside_narrow(std::size_t bytes) {
  const auto memory = huge_page_bytes(bytes);
  if (memory == nullptr || bytes < kRow)
    return 0;
  std::memset(memory.get(), 0, bytes);
  const RandomGraph graph(bytes / kRow);
  // In turns, since what others leave of the cache changes with time.
  std::array<double, 5> gain{};
  for (double& of_round : gain) {
    const double narrow = seconds_by_tile(graph, memory.get(), kMostTileColumns / 2);
    of_round = 2 * narrow / seconds_by_tile(graph, memory.get(), kMostTileColumns);
  }
  std::ranges::nth_element(gain, gain.begin() + gain.size() / 2);
  return gain[gain.size() / 2];
}

}  // namespace regatta::cpu
