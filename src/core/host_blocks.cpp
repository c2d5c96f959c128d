#include "core/host_blocks.h"

#include "core/error.h"
#include "core/huge_pages.h"
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

/// Fresh memory, null where there is none; from the size of a huge page on it begins with one.
void* map_pages(std::size_t bytes) {
  const std::size_t more = bytes < kHugePage ? 0 : kHugePage;
  void* mapped =
      mmap(nullptr, bytes + more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED)
    return nullptr;
  if (more == 0)
    return mapped;
  auto* begin = static_cast<std::byte*>(mapped);
  const std::size_t before =
      (kHugePage - reinterpret_cast<std::uintptr_t>(begin) % kHugePage) % kHugePage;
  if (before > 0)
    munmap(begin, before);
  munmap(begin + before + bytes, more - before);
  ask_for_huge_pages(begin + before, bytes);
  return begin + before;
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
  if (!kept_.empty() && memory_is_short())
    release_locked();
  void* data = map_pages(bytes);
  if (data == nullptr) {
    release_locked();
    data = map_pages(bytes);
  }
  if (data == nullptr) {
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
