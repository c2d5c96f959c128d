// What the system tells of the processor's caches.
#pragma once

#include <cstddef>

namespace regatta::cpu {

/// Bytes of the cache of that level (2 or 3) that the processor running this thread uses, shared or
/// not; 0 where the system does not tell.
std::size_t told_cache_bytes(int level);

}  // namespace regatta::cpu
