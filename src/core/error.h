// Errors that reach a user: what, where, what was expected, and the remedy, with an exit code.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace regatta {

/// Exit codes of the `regatta` program; documented in docs/operations.md and part of the interface.
enum class ExitCode : int {
  kDone = 0,
  kInternal = 1,       ///< a defect of Regatta itself
  kUsage = 2,          ///< command line or configuration (also: ranks that disagree on it)
  kData = 3,           ///< raw files, chunks, manifests, checkpoints that cannot be used
  kDevice = 4,         ///< device or environment
  kStorage = 5,        ///< a file could not be written
  kNonFinite = 6,      ///< loss or gradient is NaN or Inf
  kCommunication = 75, ///< watchdog or communication failure: retry
  kRequeue = 85,       ///< stopped on request with a checkpoint: requeue
};

/// The one exception type that crosses module borders. `what()` is the whole message for the user.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

/// Throws Error with a formatted message (fmt syntax).
template <class... Args>
[[noreturn]] void fail(ExitCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

namespace detail {
[[noreturn]] void check_failed(const char* condition, const char* file, int line, std::string note);
}  // namespace detail

}  // namespace regatta

/// Always on; a failed one is a defect of Regatta (exit 1), so it names file and line.
/// User-facing problems use `fail(ExitCode::..., ...)` instead.
#define REGATTA_CHECK(condition, ...)                                                 \
  do {                                                                                \
    if (!(condition)) [[unlikely]]                                                    \
      ::regatta::detail::check_failed(                                                \
          #condition, __FILE__, __LINE__, std::string(__VA_OPT__(::fmt::format(__VA_ARGS__)))); \
  } while (false)

/// Debug builds only: preconditions too costly for release. The expression must have no side effect.
#ifdef NDEBUG
#define REGATTA_DCHECK(condition, ...) \
  do {                                 \
    (void)sizeof(condition);           \
  } while (false)
#else
#define REGATTA_DCHECK(condition, ...) REGATTA_CHECK(condition __VA_OPT__(, ) __VA_ARGS__)
#endif
