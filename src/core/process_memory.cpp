#include "core/process_memory.h"

#include <fstream>
#include <string>
#include <unistd.h>

namespace regatta {

std::int64_t resident_mib() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t total = 0, resident = 0;
  if (!(statm >> total >> resident))
    return 0;
  return resident * sysconf(_SC_PAGESIZE) / (1 << 20);
}

std::int64_t peak_resident_mib() {
  std::ifstream file("/proc/self/status");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("VmHWM:", 0) == 0)
      return std::stoll(line.substr(6)) / 1024;
  }
  return 0;
}

bool memory_is_short() {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  std::int64_t kib = 0, total = 0;
  while (file >> name >> kib && std::getline(file, unit)) {
    if (name == "MemTotal:")
      total = kib;
    if (name == "MemAvailable:")
      return kib < total / 16;
  }
  return false;
}

}  // namespace regatta
