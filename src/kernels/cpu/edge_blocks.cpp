#include "kernels/cpu/edge_blocks.h"

#include "kernels/cpu/third_level_cache.h"

namespace regatta::cpu {

bool goes_by_blocks(std::size_t table_bytes, std::initializer_list<EdgeLists> lists) {
  return third_level_cache_holds(table_bytes) &&
         std::ranges::all_of(lists,
                             [](const EdgeLists& all) { return EdgePieces(all).parts() == 0; });
}

}  // namespace regatta::cpu
