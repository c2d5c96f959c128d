#include "kernels/cpu/third_level_cache.h"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <string>

#ifdef __linux__
#include <sched.h>
#include <unistd.h>
#endif

namespace regatta::cpu {
namespace {

#ifdef __linux__
/// As the kernel tells it, "32768K": what one group of cores shares. 0 where it does not.
std::size_t told_by_kernel() {
  const std::string processor =
      "/sys/devices/system/cpu/cpu" + std::to_string(std::max(sched_getcpu(), 0)) + "/cache/index";
  for (int index = 0; index < 8; ++index) {
    const std::string cache = processor + std::to_string(index);
    int level = 0;
    std::size_t kilobytes = 0;
    std::ifstream(cache + "/level") >> level;
    std::ifstream(cache + "/size") >> kilobytes;
    if (level == 3)
      return kilobytes << 10;
  }
  return 0;
}
#endif

std::size_t told_by_system() {
#ifdef __linux__
  if (const std::size_t bytes = told_by_kernel(); bytes > 0)
    return bytes;
#endif
#ifdef _SC_LEVEL3_CACHE_SIZE
  // On AMD's processors the C library adds up the caches of all groups of cores.
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

bool third_level_cache_holds(std::size_t bytes) {
  return bytes <= third_level_cache_bytes() / 8 * 7;
}

bool rows_come_near() {
#if defined(__x86_64__) && defined(__GNUC__)
  static const bool amd = [] {
    __builtin_cpu_init();
    return __builtin_cpu_is("amd") != 0;
  }();
  return amd;
#else
  return false;
#endif
}

void assume_third_level_cache(std::size_t bytes) {
  cache_bytes() = bytes;
}

}  // namespace regatta::cpu
