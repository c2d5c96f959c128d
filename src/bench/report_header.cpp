#include "bench/report_header.h"

#include "core/amx.h"
#include "core/parallel.h"

#include <fmt/chrono.h>
#include <nlohmann/json.hpp>

#include <ctime>
#include <fstream>
#include <string>

namespace regatta {

/// Written into the build folder by cmake/Commit.cmake.
extern const char* const kCommit;

namespace {

std::string machine_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      return line.substr(line.find(':') + 2);
  return "unknown";
}

}  // namespace

nlohmann::ordered_json report_header() {
  return {{"machine", machine_name()},
          {"commit", kCommit},
          {"date", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))},
          {"threads", compute_threads()},
          {"amx", amx_in_use()}};
}

}  // namespace regatta
