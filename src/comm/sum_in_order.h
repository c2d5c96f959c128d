// Sums of arrays, element by element, in a fixed order.
#pragma once

#include "comm/communicator.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace regatta {

/// to = from[0] + from[1] + …, added in that order; `to` may be one of `from`. Integers wrap.
/// `bytes`: a multiple of the element's size. Not for kByte.
void sum_in_order(ReduceType type,
                  std::byte* to,
                  const std::vector<const std::byte*>& from,
                  std::int64_t bytes);

}  // namespace regatta
