// Cuts the caller's workspace into parts; the same code, run over no memory, tells how much is
// needed.
#pragma once

#include <cstddef>

namespace regatta::cpu {

class WorkspaceParts {
 public:
  explicit WorkspaceParts(void* workspace) : base_(static_cast<std::byte*>(workspace)) {}

  /// `bytes` at a multiple of 64; null when there is no workspace or nothing is wanted.
  void* take(std::size_t bytes) {
    std::byte* part = base_ == nullptr || bytes == 0 ? nullptr : base_ + taken_;
    taken_ += (bytes + 63) / 64 * 64;
    return part;
  }
  std::size_t taken() const { return taken_; }

 private:
  std::byte* base_;
  std::size_t taken_ = 0;
};

/// Vectors of weights may be read this far past the last one.
inline constexpr std::size_t kWeightSlack = 128;

}  // namespace regatta::cpu
