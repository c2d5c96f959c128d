#include "kernels/cpu/third_level_cache.h"

#include <atomic>

#ifdef __linux__
#include <unistd.h>
#endif

namespace regatta::cpu {
namespace {

std::size_t told_by_system() {
#ifdef _SC_LEVEL3_CACHE_SIZE
  const long bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
  return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
#else
  return 0;
#endif
}

std::atomic<std::size_t>& cache_bytes() {
  static std::atomic<std::size_t> bytes{told_by_system()};
  return bytes;
}

}  // namespace

std::size_t third_level_cache_bytes() {
  return cache_bytes();
}

void assume_third_level_cache(std::size_t bytes) {
  cache_bytes() = bytes;
}

}  // namespace regatta::cpu
