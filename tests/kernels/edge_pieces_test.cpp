#include "kernels/cpu/edge_pieces.h"

#include <gtest/gtest.h>

#include <utility>

namespace regatta::cpu {
namespace {

constexpr std::int64_t kMost = EdgePieces::kMostEdges;

struct Lists {
  explicit Lists(const std::vector<std::int64_t>& lengths) {
    for (const std::int64_t length : lengths) begin.push_back(begin.back() + length);
  }
  EdgeLists of(const std::int64_t* end = nullptr) const {
    return {static_cast<std::int64_t>(begin.size()) - 1, begin.data(), end, nullptr};
  }
  std::vector<std::int64_t> begin{0};
};

/// How often each item is met whole, and each edge at all.
void expect_all_once(const EdgeLists& lists, const EdgePieces& pieces) {
  std::vector<int> edges(static_cast<std::size_t>(lists.begin[lists.count]));
  std::vector<int> items(static_cast<std::size_t>(lists.count));
  for (std::int64_t p = 0; p < pieces.count(); ++p) {
    const EdgePiece piece = pieces.piece(p);
    EXPECT_EQ(piece.number, p);
    for (std::int64_t i = piece.items.begin; i < piece.items.end; ++i) {
      const std::int64_t k = i - piece.items.begin;
      EXPECT_LE(piece.end[k] - piece.begin[k], kMost);
      if (piece.part == nullptr || piece.part->number == piece.part->first)
        ++items[static_cast<std::size_t>(i)];
      for (std::int64_t e = piece.begin[k]; e < piece.end[k]; ++e)
        ++edges[static_cast<std::size_t>(e)];
    }
  }
  EXPECT_EQ(items, std::vector<int>(items.size(), 1));
  for (std::int64_t i = 0; i < lists.count; ++i)
    for (std::int64_t e = lists.begin[i]; e < lists.begin[i + 1]; ++e)
      ASSERT_EQ(edges[static_cast<std::size_t>(e)], e < lists.end_of(i) ? 1 : 0) << i;
}

TEST(EdgePieces, MeetEveryEdgeOnce) {
  for (const std::vector<std::int64_t>& lengths :
       std::vector<std::vector<std::int64_t>>{{},
                                              {0},
                                              {0, 0, 0},
                                              {1},
                                              {kMost},
                                              {kMost + 1},
                                              {3, kMost, kMost + 1, 0, 2 * kMost + 7, 5},
                                              {5 * kMost, 0, 1, 5 * kMost},
                                              {kMost - 1, kMost + 1, kMost - 1, kMost + 2}}) {
    const Lists lists(lengths);
    expect_all_once(lists.of(), EdgePieces(lists.of()));
  }
}

TEST(EdgePieces, CutOnlyWhatListsHold) {
  const Lists lists({10, 3 * kMost, 2 * kMost, 4});
  std::vector<std::int64_t> end(lists.begin.begin() + 1, lists.begin.end());
  end[1] -= 2 * kMost;  // no hub
  end[2] -= 5;
  const EdgePieces pieces(lists.of(end.data()));
  EXPECT_EQ(pieces.parts(), 8U);
  expect_all_once(lists.of(end.data()), pieces);
}

TEST(EdgePieces, JoinPartsInTheirOrder) {
  const Lists lists({2, kMost + EdgePieces::kPartEdges, 1, kMost + 1});
  const EdgePieces pieces(lists.of());
  std::vector<std::vector<std::size_t>> of_part(pieces.parts());
  pieces.run_parts([&](const HubPart& part) { of_part[part.number] = {part.number}; });
  std::vector<std::pair<std::int64_t, std::vector<std::size_t>>> found;
  pieces.merge(
      of_part,
      [](auto& total, const auto& more) { total.insert(total.end(), more.begin(), more.end()); },
      [&](std::int64_t item, const auto& total) { found.emplace_back(item, total); });
  const decltype(found) expected{{1, {0, 1, 2, 3, 4}}, {3, {5, 6, 7, 8, 9}}};
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace regatta::cpu
