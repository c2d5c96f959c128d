#include "kernels/cpu/third_level_cache.h"

#include "core/parallel.h"
#include "kernels/cpu/cache_trial.h"
#include "kernels/cpu/told_cache.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <thread>

namespace regatta::cpu {
namespace {

bool amd_processor() {
#if defined(__x86_64__) && defined(__GNUC__)
  return __builtin_cpu_is("amd") != 0;
#else
  return false;
#endif
}

/// What is known of the cache. A size's answer never changes, since memory is planned by it.
class Known {
 public:
  std::size_t told() {
    const std::scoped_lock lock(mutex_);
    return told_;
  }

  bool holds(std::size_t bytes) {
    const std::scoped_lock lock(mutex_);
    if (bytes > told_ / 8 * 7)
      return false;
    if (bytes <= held_ || bytes >= not_held_)
      return bytes <= held_;
    const bool held = wide_beside_narrow(bytes) >= kLeastGain;
    (held ? held_ : not_held_) = bytes;
    return held;
  }

  bool holds_twice(std::size_t bytes) {
    const std::scoped_lock lock(mutex_);
    return assumed_ ? bytes <= told_ / 2 : bytes <= share() / 2 && !amd_processor();
  }

  void assume(std::size_t bytes) {
    const std::scoped_lock lock(mutex_);
    told_ = held_ = bytes;
    assumed_ = true;
  }

 private:
  /// Other ranks of the machine have theirs.
  std::size_t share() const {
    const std::size_t processors = std::max(std::thread::hardware_concurrency(), 1U);
    return told_ / processors * std::min(static_cast<std::size_t>(compute_threads()), processors);
  }

  /// Below 1: a pass by narrow tiles also packs twice as often and reads weights twice, and others
  /// of its arrays want room in the cache, none of which the trial has.
  static constexpr double kLeastGain = 0.75;
  /// Both ways are as fast where any third level has room for the table.
  static constexpr std::size_t kNotTried = std::size_t{12} << 20;

  std::mutex mutex_;
  bool assumed_ = false;
  std::size_t told_ = told_cache_bytes(3);
  std::size_t held_ = kNotTried;
  std::size_t not_held_ = std::numeric_limits<std::size_t>::max();
};

Known& known() {
  static Known cache;
  return cache;
}

}  // namespace

std::size_t third_level_cache_bytes() {
  return known().told();
}

bool third_level_cache_holds(std::size_t bytes) {
  return known().holds(bytes);
}

bool third_level_cache_has_room(std::size_t bytes) {
  constexpr std::size_t kMost = std::size_t{20} << 20;
  return bytes <= std::min(kMost, third_level_cache_bytes() / 8 * 5);
}

bool large_third_level_cache_holds(std::size_t bytes) {
  return known().holds_twice(bytes);
}

std::int64_t rows_ahead() {
  return amd_processor() ? 48 : 24;
}

std::int64_t near_rows_ahead() {
  return amd_processor() ? 16 : 0;
}

void assume_third_level_cache(std::size_t bytes) {
  known().assume(bytes);
}

}  // namespace regatta::cpu
