#include "core/process_memory.h"

#include <unistd.h>

#include <fstream>

namespace regatta {

std::int64_t resident_mib() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t total = 0, resident = 0;
  if (!(statm >> total >> resident)) return 0;
  return resident * sysconf(_SC_PAGESIZE) / (1 << 20);
}

}  // namespace regatta
