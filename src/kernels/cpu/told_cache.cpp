#include "kernels/cpu/told_cache.h"

#include <algorithm>
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
std::size_t told_by_kernel(int level) {
  const std::string processor =
      "/sys/devices/system/cpu/cpu" + std::to_string(std::max(sched_getcpu(), 0)) + "/cache/index";
  for (int index = 0; index < 8; ++index) {
    const std::string cache = processor + std::to_string(index);
    int of_index = 0;
    std::size_t kilobytes = 0;
    std::ifstream(cache + "/level") >> of_index;
    std::ifstream(cache + "/size") >> kilobytes;
    if (of_index == level)
      return kilobytes << 10;
  }
  return 0;
}
#endif

}  // namespace

std::size_t told_cache_bytes(int level) {
#ifdef __linux__
  if (const std::size_t bytes = told_by_kernel(level); bytes > 0)
    return bytes;
#endif
#ifdef _SC_LEVEL3_CACHE_SIZE
  // On AMD's processors the C library adds up the third levels of all groups of cores.
  const long bytes = sysconf(level == 2 ? _SC_LEVEL2_CACHE_SIZE : _SC_LEVEL3_CACHE_SIZE);
  return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
#else
  return 0;
#endif
}

}  // namespace regatta::cpu
