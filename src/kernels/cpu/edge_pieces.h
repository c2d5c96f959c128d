// Cuts a pass over edges into pieces for threads to share: rows together where they are short, a
// hub's edges in parts where one row would be a thread's whole share.
#pragma once

#include "core/parallel.h"
#include "kernels/cpu/row_pieces.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace regatta::cpu {

/// Items 0 .. count-1; item i holds edges begin[i] .. end_of(i)-1 of `index` and of the weights.
struct EdgeLists {
  std::int64_t count = 0;
  const std::int64_t* begin = nullptr;  ///< [count+1], as indptr
  const std::int64_t* end = nullptr;    ///< [count]; null: begin + 1
  const std::int32_t* index = nullptr;  ///< row of the table for each edge

  std::int64_t end_of(std::int64_t item) const {
    return end == nullptr ? begin[item + 1] : end[item];
  }
};

/// An item whose edges are cut, into parts first .. first+count-1.
struct Hub {
  std::int64_t item = 0;
  std::size_t first = 0;
  std::size_t count = 0;
};

/// Edges begin .. end-1 of a hub.
struct HubPart {
  std::int64_t item = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::size_t number = 0;  ///< among the parts of all hubs
  std::size_t first = 0;   ///< number of this hub's first part
};

/// Items, and for item items.begin + k the edges begin[k] .. end[k]-1: all edges of the items, or a
/// part of those of one hub. A thread may take a piece in blocks of items.
struct EdgePiece {
  RowRange items;
  const std::int64_t* begin = nullptr;
  const std::int64_t* end = nullptr;
  const HubPart* part = nullptr;  ///< null: whole items
  std::int64_t number = 0;
  bool continues = false;  ///< a block that is not the piece's first
};

/// The cut depends on the lists alone, and a hub's parts on its own edges alone, so sums by part
/// that are added in the order of the parts have the same bits for any number of threads.
class EdgePieces {
 public:
  /// An item of more edges is a hub.
  static constexpr std::int64_t kMostEdges = 16384;
  /// Of a part; the last one holds what is left. A multiple of every chunk that the kernels work
  /// in, and short, because a hub's terms are often alike and adding like terms one by one rounds
  /// them all the same way.
  static constexpr std::int64_t kPartEdges = 4096;

  explicit EdgePieces(const EdgeLists& lists);

  /// Ranges of items that are no hubs, then the parts of all hubs.
  std::int64_t count() const { return static_cast<std::int64_t>(ranges_.size() + parts_.size()); }
  std::size_t parts() const { return parts_.size(); }
  EdgePiece piece(std::int64_t p) const;

  /// body(EdgePiece) over threads.
  template <class Body>
  void run(const Body& body) const {
    parallel_pieces(count(), [&](std::int64_t p) { body(piece(p)); });
  }

  /// body(EdgePiece, of_part) over threads, which leaves the value of a hub's part in
  /// of_part[part number]; then merge.
  template <class Value, class Body, class Add, class Finish>
  void run_merged(const Body& body, const Add& add, const Finish& finish) const {
    std::vector<Value> of_part(parts());
    run([&](const EdgePiece& piece) { body(piece, of_part); });
    merge(of_part, add, finish);
  }

  /// body(HubPart) over threads, for what needs the values that all parts gave before.
  template <class Body>
  void run_parts(const Body& body) const {
    parallel_pieces(static_cast<std::int64_t>(parts()),
                    [&](std::int64_t p) { body(parts_[static_cast<std::size_t>(p)]); });
  }

  /// Joins what the parts of each hub gave, in their order: add(total, value) starts from the first
  /// part's value, which finish(item, total) then sees.
  template <class Value, class Add, class Finish>
  void merge(std::vector<Value>& of_part, const Add& add, const Finish& finish) const {
    for (const Hub& hub : hubs_) {
      Value& total = of_part[hub.first];
      for (std::size_t p = hub.first + 1; p < hub.first + hub.count; ++p) add(total, of_part[p]);
      finish(hub.item, total);
    }
  }

 private:
  void find_hubs();
  void add_ranges();

  EdgeLists lists_;
  std::vector<Hub> hubs_;
  std::vector<HubPart> parts_;
  std::vector<RowRange> ranges_;
};

/// body(item, begin, end) for the items of a piece.
template <class Body>
void for_items(const EdgePiece& piece, const Body& body) {
  for (std::int64_t i = piece.items.begin; i < piece.items.end; ++i)
    body(i, piece.begin[i - piece.items.begin], piece.end[i - piece.items.begin]);
}

/// The same over threads, hubs part by part: for passes without sums over an item.
template <class Body>
void for_edges(const EdgePieces& pieces, const Body& body) {
  pieces.run([&](const EdgePiece& piece) { for_items(piece, body); });
}

/// For every item of a piece `values` sums over its edges: sum(item, begin, end, to) adds them to
/// zeros, and store(item, sums) gets them all.
template <class Value, class Sum, class Store>
void sum_items(const EdgePiece& piece, std::size_t values, const Sum& sum, const Store& store) {
  std::vector<Value> sums(values);
  for_items(piece, [&](std::int64_t i, std::int64_t begin, std::int64_t end) {
    std::fill(sums.begin(), sums.end(), Value{});
    sum(i, begin, end, sums.data());
    store(i, sums.data());
  });
}

/// The same for the items of all pieces, over threads.
template <class Value, class Sum, class Store>
void sum_edges(const EdgePieces& pieces, std::size_t values, const Sum& sum, const Store& store) {
  using Sums = std::vector<Value>;
  std::vector<Sums> of_part(pieces.parts(), Sums(values));
  pieces.run([&](const EdgePiece& piece) {
    if (piece.part != nullptr)
      return sum(piece.items.begin, *piece.begin, *piece.end, of_part[piece.part->number].data());
    sum_items<Value>(piece, values, sum, store);
  });
  const auto add = [](Sums& total, const Sums& more) {
    for (std::size_t v = 0; v < total.size(); ++v) total[v] += more[v];
  };
  pieces.merge(of_part, add, [&](std::int64_t i, const Sums& total) { store(i, total.data()); });
}

/// Whether an item is cut.
inline bool has_hubs(const EdgeLists& lists) {
  return EdgePieces(lists).parts() > 0;
}

}  // namespace regatta::cpu
