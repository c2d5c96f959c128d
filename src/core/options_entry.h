// Inside of core/options: what an OptionGroup keeps for each declared option.
#pragma once

#include "core/options.h"

#include <nlohmann/json.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace regatta {

/// Faults of one configuration, a line each.
class ConfigFaults {
 public:
  /// Appends "place: path: text"; the path is left out where the place already says it (--set).
  void add(const std::string& place, const std::string& path, const std::string& text);
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

struct OptionGroup::Entry {
  std::string name;
  std::string help;
  std::string type;
  std::string range;
  std::string fallback;
  bool is_required = false;
  /// Leaves only: checks a node and, when it is legal, sets the bound member.
  std::function<void(const ConfigNode&, const std::string& path, ConfigFaults&)> read;
  std::function<nlohmann::ordered_json()> value;
  std::optional<OptionGroup> section;
  std::optional<ListBinding> list;
};

}  // namespace regatta
