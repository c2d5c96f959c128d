#include "kernels/cpu/edge_blocks.h"

#include "kernels/cpu/third_level_cache.h"

#include <hwy/cache_control.h>

#include <utility>

namespace regatta::cpu {

bool goes_by_blocks(std::size_t table_bytes, std::initializer_list<EdgeLists> lists) {
  return third_level_cache_holds(table_bytes) &&
         std::ranges::all_of(lists,
                             [](const EdgeLists& all) { return EdgePieces(all).parts() == 0; });
}

void EdgePasses::add(std::unique_ptr<EdgePass> pass) {
  if (by_blocks_ || meeting_)
    passes_.push_back(std::move(pass));
  else
    pass->run();
}

void EdgePasses::run_blocks(const EdgeLists& lists, std::size_t row_bytes) {
  for_edge_blocks(lists, row_bytes, [&](const EdgePiece& block) {
    for (const auto& pass : passes_) pass->run_items(block);
    hwy::FlushStream();
  });
  passes_.clear();
  meeting_ = false;
}

}  // namespace regatta::cpu
