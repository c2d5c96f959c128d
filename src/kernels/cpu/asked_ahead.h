// What dense products ask memory for while they multiply.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace regatta::cpu {

/// With every inner index of a tile a line is asked for, into the second-level cache, `step` bytes
/// after the one before. Addresses may lie beyond an array: nothing is read.
struct Asks {
  std::uintptr_t at;
  std::size_t step;
};

/// Two ranges of bytes that products will want, asked for evenly over `indices` inner indices of
/// the tiles before them: asked for at once, or not at all, they keep the tiles waiting
/// (docs/decisions/0004-dense-products-and-host-memory.md).
class Ahead {
 public:
  struct Bytes {
    std::uintptr_t at;
    std::size_t count;
  };
  Ahead(Bytes first, Bytes second, std::size_t indices)
      : first_(first),
        second_(second),
        step_((first.count + second.count + indices - 1) / std::max(indices, std::size_t{1})) {}

  /// For the next so many inner indices.
  Asks take(std::size_t indices) {
    const std::size_t before = done_;
    done_ += indices * step_;
    if (before < first_.count || second_.count == 0)
      return {first_.at + before, step_};
    return {second_.at + before - first_.count, step_};
  }

 private:
  Bytes first_;
  Bytes second_;
  std::size_t step_;
  std::size_t done_ = 0;
};

}  // namespace regatta::cpu
