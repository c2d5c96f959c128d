// Memory of this process as the kernel counts it.
#pragma once

#include <cstdint>

namespace regatta {

/// Resident set (VmRSS) in MiB; 0 where /proc is not there.
std::int64_t resident_mib();

}  // namespace regatta
