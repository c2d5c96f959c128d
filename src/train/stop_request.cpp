#include "train/stop_request.h"

#include <string.h>

namespace regatta {

std::string StopRequest::reason() const {
  const int reason = reason_.load();
  if (reason == 0)
    return "";
  if (reason == kTimeLimit)
    return "the time limit is near";
  const char* name = sigabbrev_np(reason);
  return name == nullptr ? "signal " + std::to_string(reason) : std::string("SIG") + name;
}

}  // namespace regatta
