#include "core/error.h"

namespace regatta::detail {

void check_failed(const char* condition, const char* file, int line, std::string note) {
  std::string message =
      fmt::format("internal error: {} does not hold ({}:{})", condition, file, line);
  if (!note.empty())
    message += ": " + note;
  throw Error(ExitCode::kInternal, message);
}

}  // namespace regatta::detail
