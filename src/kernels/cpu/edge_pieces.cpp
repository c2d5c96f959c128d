#include "kernels/cpu/edge_pieces.h"

#include <algorithm>

namespace regatta::cpu {

EdgePieces::EdgePieces(const EdgeLists& lists) : lists_(lists) {
  if (lists.count == 0)
    return;
  find_hubs();
  add_ranges();
}

/// A hub holds an edge whose number is a multiple of kMostEdges, so the items of those are all that
/// need a look.
void EdgePieces::find_hubs() {
  const std::int64_t* ptr = lists_.begin;
  const std::int64_t* last = ptr + lists_.count;
  std::int64_t edge = 0;
  while (edge < *last) {
    const std::int64_t item = std::upper_bound(ptr, last, edge) - ptr - 1;
    const std::int64_t end = lists_.end_of(item);
    if (end - ptr[item] > kMostEdges) {
      const std::size_t first = parts();
      for (std::int64_t e = ptr[item]; e < end; e += kPartEdges)
        parts_.push_back({item, e, std::min(e + kPartEdges, end), parts(), first});
      hubs_.push_back({item, first, parts() - first});
    }
    edge = (ptr[item + 1] + kMostEdges - 1) / kMostEdges * kMostEdges;
  }
}

void EdgePieces::add_ranges() {
  const RowPieces pieces(lists_.begin, lists_.count);
  auto hub = hubs_.begin();
  std::int64_t begin = 0;
  for (std::int64_t p = 1; p <= pieces.count(); ++p) {
    RowRange range{begin, pieces.first_row(p)};
    begin = range.end;
    for (; hub != hubs_.end() && hub->item < range.end; ++hub) {
      if (range.begin < hub->item)
        ranges_.push_back({range.begin, hub->item});
      range.begin = hub->item + 1;
    }
    if (range.begin < range.end)
      ranges_.push_back(range);
  }
}

EdgePiece EdgePieces::piece(std::int64_t p) const {
  const auto at = static_cast<std::size_t>(p);
  if (at >= ranges_.size()) {
    const HubPart& part = parts_[at - ranges_.size()];
    return {{part.item, part.item + 1}, &part.begin, &part.end, &part, p};
  }
  const RowRange items = ranges_[at];
  const std::int64_t* ends = lists_.end == nullptr ? lists_.begin + 1 : lists_.end;
  return {items, lists_.begin + items.begin, ends + items.begin, nullptr, p};
}

}  // namespace regatta::cpu
