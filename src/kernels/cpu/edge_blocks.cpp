#include "kernels/cpu/edge_blocks.h"

#include "kernels/cpu/third_level_cache.h"

namespace regatta::cpu {

bool goes_by_blocks(std::size_t table_bytes, std::initializer_list<EdgeLists> lists) {
  return table_bytes <= third_level_cache_bytes() / 8 * 7 &&
         std::ranges::all_of(lists,
                             [](const EdgeLists& all) { return EdgePieces(all).parts() == 0; });
}

}  // namespace regatta::cpu
