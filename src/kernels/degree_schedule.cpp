// Sorts lists of edges by length for the CUDA kernels: one counting sort, no dependence on a
// device.
#include "kernels/prepared_graph.h"

#include <bit>

namespace regatta {
namespace {

using Schedule = DegreeSchedule;

/// 0: cut into pieces. Then powers of two downwards, then short lengths downwards to 0.
std::size_t bucket_of(std::int64_t edges) {
  constexpr auto kPowers =
      static_cast<std::int64_t>(std::bit_width(static_cast<std::uint64_t>(Schedule::kPieceEdges)));
  if (edges > Schedule::kPieceEdges)
    return 0;
  if (edges > Schedule::kShortEdges)
    return static_cast<std::size_t>(1 + kPowers -
                                    std::bit_width(static_cast<std::uint64_t>(edges)));
  return static_cast<std::size_t>(1 + kPowers + Schedule::kShortEdges - edges);
}

constexpr std::size_t kBuckets = 64;  // more than bucket_of gives

void cut_long_lists(Schedule& schedule,
                    std::span<const std::int64_t> ptr,
                    std::span<const std::int32_t> items) {
  std::vector<std::int64_t> first_piece{0};
  std::vector<std::int32_t> piece_long;
  for (std::size_t n = 0; n < items.size(); ++n) {
    const auto i = static_cast<std::size_t>(items[n]);
    const std::int64_t pieces =
        (ptr[i + 1] - ptr[i] + Schedule::kPieceEdges - 1) / Schedule::kPieceEdges;
    piece_long.insert(
        piece_long.end(), static_cast<std::size_t>(pieces), static_cast<std::int32_t>(n));
    first_piece.push_back(static_cast<std::int64_t>(piece_long.size()));
  }
  schedule.first_piece = std::move(first_piece);
  schedule.piece_long = std::move(piece_long);
}

}  // namespace

DegreeSchedule make_degree_schedule(std::span<const std::int64_t> ptr) {
  const std::size_t lists = ptr.empty() ? 0 : ptr.size() - 1;
  std::vector<std::size_t> start(kBuckets + 1, 0);
  for (std::size_t i = 0; i < lists; ++i) ++start[bucket_of(ptr[i + 1] - ptr[i]) + 1];
  for (std::size_t b = 1; b < start.size(); ++b) start[b] += start[b - 1];
  const std::size_t cut = start[1];
  const std::size_t short_begin = start[bucket_of(Schedule::kShortEdges)];
  std::vector<std::int32_t> sorted(lists);
  for (std::size_t i = 0; i < lists; ++i)
    sorted[start[bucket_of(ptr[i + 1] - ptr[i])]++] = static_cast<std::int32_t>(i);
  Schedule schedule;
  std::vector<std::int32_t> items(sorted.begin(),
                                  sorted.begin() + static_cast<std::ptrdiff_t>(cut));
  cut_long_lists(schedule, ptr, items);
  schedule.long_item = std::move(items);
  sorted.erase(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(cut));
  schedule.order = std::move(sorted);
  schedule.short_begin = static_cast<std::int64_t>(short_begin - cut);
  return schedule;
}

void add_degree_schedules(PreparedGraph& graph) {
  graph.row_schedule = make_degree_schedule(graph.in.indptr);
  graph.node_schedule = make_degree_schedule(graph.out_ptr);
}

}  // namespace regatta
