#include "cli/versions.h"

#include "train/runtime.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace regatta {

std::string versions_text() {
  const nlohmann::ordered_json versions = library_versions();
  std::string text;
  for (const auto& [library, version] : versions.items()) {
    text += fmt::format("{}{} {}", text.empty() ? "" : "\n", library, version.get<std::string>());
  }
  return text;
}

}  // namespace regatta
