#include "core/host_blocks.h"

#include "core/error.h"
#include "core/process_memory.h"

#include <algorithm>
#include <bit>
#include <sys/mman.h>

namespace regatta {
namespace {

constexpr std::size_t kPage = 4096;

/// Rounds up to whole pages and to an eighth of the power of two below.
std::size_t size_class(std::size_t bytes) {
  const std::size_t step = std::max(kPage, std::bit_floor(bytes) / 8);
  return (bytes + step - 1) / step * step;
}

}  // namespace

HostBlocks::~HostBlocks() {
  release_locked();
}

/// The smallest kept block of [wanted, most] bytes; of equal ones the latest, which is warm.
bool HostBlocks::take_kept(std::size_t wanted, std::size_t most, Block& block) {
  auto best = kept_.end();
  for (auto it = kept_.begin(); it != kept_.end(); ++it) {
    if (it->bytes >= wanted && it->bytes <= most &&
        (best == kept_.end() || it->bytes <= best->bytes))
      best = it;
  }
  if (best == kept_.end())
    return false;
  block = *best;
  kept_.erase(best);
  return true;
}

void HostBlocks::unmap_oldest() {
  munmap(kept_.front().data, kept_.front().bytes);
  use_.held -= kept_.front().bytes;
  kept_.erase(kept_.begin());
}

void HostBlocks::release_locked() {
  while (!kept_.empty()) unmap_oldest();
}

HostBlocks::Block HostBlocks::map(std::size_t bytes) {
  const auto attempt = [bytes] {
    return mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  };
  if (!kept_.empty() && memory_is_short())
    release_locked();
  void* data = attempt();
  if (data == MAP_FAILED) {
    release_locked();
    data = attempt();
  }
  if (data == MAP_FAILED) {
    fail(ExitCode::kDevice,
         "out of memory: {} MiB were asked for beside {} MiB in use; use smaller chunks, fewer "
         "ranks a node or a smaller model",
         bytes >> 20,
         use_.live >> 20);
  }
  use_.held += bytes;
  ++use_.fresh;
  return {data, bytes};
}

void* HostBlocks::take(std::size_t bytes) {
  const std::size_t wanted = size_class(bytes);
  const std::scoped_lock lock(mutex_);
  // Below the limit a block of about the size is wanted. At the limit a fresh one would cost a kept
  // one, so any will do that does not raise the most that was ever live.
  const std::size_t about = wanted + wanted / 4;
  const bool full = use_.held + wanted > limit();
  Block block{};
  if (take_kept(wanted, full ? std::max(about, use_.most_live - use_.live) : about, block)) {
    ++use_.reused;
  } else {
    const std::size_t live_then = use_.live + wanted;
    while (!kept_.empty() && use_.held + wanted > std::max(limit(), live_then)) unmap_oldest();
    block = map(wanted);
  }
  use_.live += block.bytes;
  use_.most_live = std::max(use_.most_live, use_.live);
  live_.emplace(block.data, block);
  return block.data;
}

bool HostBlocks::give(void* block) {
  const std::scoped_lock lock(mutex_);
  const auto found = live_.find(block);
  if (found == live_.end())
    return false;
  use_.live -= found->second.bytes;
  kept_.push_back(found->second);
  live_.erase(found);
  while (!kept_.empty() && use_.held > limit()) unmap_oldest();
  return true;
}

void HostBlocks::release() {
  const std::scoped_lock lock(mutex_);
  release_locked();
}

HostBlocksUse HostBlocks::use() const {
  const std::scoped_lock lock(mutex_);
  return use_;
}

}  // namespace regatta
