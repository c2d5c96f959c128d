// Memory of this process and of the machine as the kernel counts it.
#pragma once

#include <cstdint>

namespace regatta {

/// Resident set (VmRSS) in MiB; 0 where /proc is not there.
std::int64_t resident_mib();

/// The most it has been (VmHWM) in MiB; 0 where /proc is not there.
std::int64_t peak_resident_mib();

/// Whether less than a sixteenth of the machine's memory is available to programs; false where
/// /proc is not there.
bool memory_is_short();

}  // namespace regatta
