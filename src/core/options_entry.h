// Inside of core/options: what an OptionGroup keeps for each declared option.
#pragma once

#include "core/options.h"

#include <nlohmann/json.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace regatta {

/// Faults of one configuration, a line each.
class ConfigFaults {
 public:
  /// `known_paths`: every path of the configuration, for keys that stand in the wrong section.
  explicit ConfigFaults(std::vector<std::string> known_paths)
      : known_paths_(std::move(known_paths)) {}
  /// Appends "place: path: text"; the path is left out where the place already says it (--set).
  void add(const std::string& place, const std::string& path, const std::string& text);
  /// What to say of a key that is not among its `siblings`.
  std::string unknown_key_text(const std::string& key,
                               const std::vector<std::string>& siblings) const;
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> known_paths_;
  std::vector<std::string> lines_;
};

struct OptionGroup::Entry {
  std::string name;
  std::string help;
  std::string type;
  std::string range;
  std::string fallback;
  Presence presence = Presence::kDefault;
  /// Leaves only: checks a node and, when it is legal, sets the bound member.
  std::function<void(const ConfigNode&, const std::string& path, ConfigFaults&)> read;
  std::function<nlohmann::ordered_json()> value;
  std::optional<OptionGroup> section;
  std::optional<ListBinding> list;
};

}  // namespace regatta
