// The time of day, for files that people and other programs read; core/timer.h measures.
#pragma once

#include <chrono>

namespace regatta {

/// Seconds since 1970, UTC.
inline double seconds_of_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace regatta
