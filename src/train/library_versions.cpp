#include <fmt/core.h>
#include <spdlog/version.h>
#include <torch/version.h>

#include <nlohmann/json.hpp>

#include "comm/communicator.h"
#include "core/version.h"
#include "data/table_writer.h"
#include "train/runtime.h"

namespace regatta {

nlohmann::ordered_json library_versions() {
  nlohmann::ordered_json versions;
  versions["regatta"] = kVersion;
  versions["libtorch"] = TORCH_VERSION;
  versions["mpi"] = mpi_version();
  versions["hdf5"] = hdf5_version();
  versions["fmt"] =
      fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100);
  versions["spdlog"] =
      fmt::format("{}.{}.{}", SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH);
  versions["nlohmann_json"] = fmt::format("{}.{}.{}",
                                          NLOHMANN_JSON_VERSION_MAJOR,
                                          NLOHMANN_JSON_VERSION_MINOR,
                                          NLOHMANN_JSON_VERSION_PATCH);
  versions["compiler"] = __VERSION__;
  return versions;
}

}  // namespace regatta
