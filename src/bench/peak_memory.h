// Resident memory of this process while something runs, and children whose memory starts clean.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <functional>

namespace regatta {

/// Resident bytes of this process from its construction on (VmRSS, VmHWM of /proc; Linux).
class PeakMemory {
 public:
  /// Sets the kernel's mark back where that is allowed; else the maximum counts from the process's
  /// start.
  PeakMemory();
  /// {resident_before, resident_after, resident_peak, step_peak} in bytes; step_peak = peak -
  /// before.
  nlohmann::ordered_json report() const;

 private:
  std::int64_t before_;
};

/// Runs `body` in a forked child and returns what it returned. Call it before this process has run
/// anything on several threads. Throws Error(kInternal) with the child's message when it failed.
nlohmann::ordered_json in_child_process(const std::function<nlohmann::ordered_json()>& body);

}  // namespace regatta
