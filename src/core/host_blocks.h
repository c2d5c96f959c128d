// Large blocks of host memory that are kept when they are freed: fresh pages cost more than most of
// what is computed in them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace regatta {

/// Bytes and events of a HostBlocks; sizes are those of whole blocks.
struct HostBlocksUse {
  std::size_t live = 0;       ///< in use now
  std::size_t most_live = 0;  ///< the most that was ever in use at once
  std::size_t held = 0;       ///< live and kept, what the process has of the system
  std::int64_t fresh = 0;     ///< blocks that came from the system
  std::int64_t reused = 0;    ///< blocks that were kept ones
};

/// A pool of page-aligned blocks; thread-safe. What it holds is at most the most that was ever live
/// and an eighth of it, or 64 MiB where that is more: beyond it kept blocks go back, oldest first.
/// All kept blocks go back when the system runs short (less than a sixteenth of its memory
/// available, or a refused request).
class HostBlocks {
 public:
  HostBlocks() = default;
  ~HostBlocks();
  HostBlocks(const HostBlocks&) = delete;
  HostBlocks& operator=(const HostBlocks&) = delete;

  /// At least `bytes` > 0, uninitialised. Throws Error(kDevice) when the system has none.
  void* take(std::size_t bytes);
  /// Takes back a block of take(); false when `block` is not one.
  bool give(void* block);
  /// Returns all kept blocks to the system.
  void release();
  HostBlocksUse use() const;

 private:
  struct Block {
    void* data;
    std::size_t bytes;
  };

  bool take_kept(std::size_t wanted, std::size_t most, Block& block);
  Block map(std::size_t bytes);
  void unmap_oldest();
  void release_locked();
  std::size_t limit() const { return use_.most_live + std::max(use_.most_live / 8, kLeastSlack); }

  static constexpr std::size_t kLeastSlack = std::size_t{64} << 20;

  mutable std::mutex mutex_;
  std::vector<Block> kept_;  ///< oldest first
  std::unordered_map<void*, Block> live_;
  HostBlocksUse use_;
};

}  // namespace regatta
