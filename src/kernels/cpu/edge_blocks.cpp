#include "kernels/cpu/edge_blocks.h"

#include "kernels/cpu/third_level_cache.h"
#include "kernels/cpu/told_cache.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <utility>

namespace regatta::cpu {

bool goes_by_blocks(std::size_t table_bytes, std::initializer_list<EdgeLists> lists) {
  // The cache last: a large table is tried there.
  return std::ranges::none_of(lists, has_hubs) && third_level_cache_holds(table_bytes);
}

std::size_t block_bytes() {
  constexpr std::size_t kMost = std::size_t{512} << 10;
  static const std::size_t half = told_cache_bytes(2) / 2;
  return half == 0 ? kMost : std::min(half, kMost);
}

void EdgePasses::add(std::unique_ptr<EdgePass> pass) {
  if (by_blocks_ || meeting_)
    passes_.push_back(std::move(pass));
  else
    pass->run();
}

void EdgePasses::run_blocks(const EdgeLists& lists, std::size_t row_bytes) {
  if (!passes_.empty())
    for_edge_blocks(lists, row_bytes, [&](const EdgePiece& block) {
      for (const auto& pass : passes_) pass->run_items(block);
      hwy::FlushStream();
    });
  passes_.clear();
  meeting_ = false;
}

}  // namespace regatta::cpu
