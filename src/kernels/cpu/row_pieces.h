// Cuts rows into pieces of about equal work for threads to share.
#pragma once

#include <cstdint>

namespace regatta::cpu {

struct RowRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// Pieces of rows 0..rows-1 whose row r holds ptr[r+1]-ptr[r] edges. A row counts as its edges plus
/// one. The cut depends on the graph alone, so scratch memory can be laid out by piece.
class RowPieces {
 public:
  static constexpr std::int64_t kMaxPieces = 64;

  RowPieces(const std::int64_t* ptr, std::int64_t rows);
  std::int64_t count() const { return count_; }
  RowRange piece(std::int64_t p) const { return {first_row(p), first_row(p + 1)}; }
  /// Of piece p; all rows for p = count().
  std::int64_t first_row(std::int64_t p) const;

 private:
  const std::int64_t* ptr_;
  std::int64_t rows_;
  std::int64_t work_;
  std::int64_t count_;
};

}  // namespace regatta::cpu
