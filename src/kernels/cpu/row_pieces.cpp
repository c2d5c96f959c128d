// Binary search for the cut rows: work before row r is ptr[r] + r, which never falls.
#include "kernels/cpu/row_pieces.h"

#include <algorithm>

namespace regatta::cpu {
namespace {

// Below this a piece is not worth handing to a thread.
constexpr std::int64_t kLeastWork = 512;

}  // namespace

RowPieces::RowPieces(const std::int64_t* ptr, std::int64_t rows)
    : ptr_(ptr), rows_(rows), work_(rows == 0 ? 0 : ptr[rows] + rows) {
  count_ = std::min(kMaxPieces, (work_ + kLeastWork - 1) / kLeastWork);
}

std::int64_t RowPieces::first_row(std::int64_t p) const {
  if (p == count_)
    return rows_;
  const std::int64_t target = work_ / count_ * p + work_ % count_ * p / count_;
  std::int64_t low = 0;
  std::int64_t high = rows_;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (ptr_[middle] + middle < target)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

}  // namespace regatta::cpu
