// Filling declared options from a configuration tree, collecting every fault on the way.
#include "core/error.h"
#include "core/option_values.h"
#include "core/options_entry.h"

#include <fmt/format.h>

#include <algorithm>

namespace regatta {
namespace {

std::string joined(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

/// Texts from a file may hold anything; a message stays one printable line.
std::string printable(const std::string& text) {
  constexpr std::size_t kLongest = 200;
  std::string result;
  for (const char c : text.substr(0, kLongest)) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    result += control ? fmt::format("\\x{:02x}", static_cast<unsigned char>(c)) : std::string(1, c);
  }
  return text.size() > kLongest ? result + "..." : result;
}

ConfigNode nothing_at(const ConfigNode& place) {
  ConfigNode nothing;
  nothing.origin = place.origin;
  nothing.line = place.line;
  nothing.column = place.column;
  return nothing;
}

/// The last name of "train.optimiser.learning_rate".
std::string last_name(const std::string& path) {
  return path.substr(path.rfind('.') + 1);
}

}  // namespace

void ConfigFaults::add(const std::string& place, const std::string& path, const std::string& text) {
  const bool says_path = path.empty() || place == "--set " + path;
  const std::string where = place.empty() ? "" : printable(place) + ": ";
  lines_.push_back(where + (says_path ? "" : printable(path) + ": ") + printable(text));
}

std::string ConfigFaults::unknown_key_text(const std::string& key,
                                           const std::vector<std::string>& siblings) const {
  const std::string near = nearest_name(key, siblings);
  if (!near.empty())
    return fmt::format("unknown key; did you mean '{}'?", near);
  // The right key in the wrong section is as common as a misspelt one.
  std::vector<std::string> elsewhere;
  for (const std::string& path : known_paths_) {
    if (last_name(path) == key)
      elsewhere.push_back("'" + path + "'");
  }
  if (!elsewhere.empty()) {
    return fmt::format("unknown key here; did you mean {}?", fmt::join(elsewhere, " or "));
  }
  return fmt::format("unknown key; known here: {}", fmt::join(siblings, ", "));
}

void OptionGroup::apply(const ConfigNode& root) {
  std::vector<std::string> known_paths;
  for (const OptionDescription& row : describe()) known_paths.push_back(row.path);
  ConfigFaults faults(std::move(known_paths));
  apply_map(root, "", faults);
  if (faults.lines().empty())
    return;
  throw Error(ExitCode::kUsage, fmt::format("{}", fmt::join(faults.lines(), "\n")));
}

void OptionGroup::apply_map(const ConfigNode& node, const std::string& path, ConfigFaults& faults) {
  const bool is_word = node.kind == ConfigNode::Kind::kScalar && !word_for_defaults_.empty() &&
                       node.scalar == word_for_defaults_;
  if (node.kind != ConfigNode::Kind::kMap && node.kind != ConfigNode::Kind::kNull && !is_word) {
    const std::string also = word_for_defaults_.empty() ? "" : fmt::format(" or '{}'", word_for_defaults_);
    faults.add(
        node.place(), path, fmt::format("expected a map{}, found {}", also, found_text(node)));
    return;
  }
  std::vector<std::string> names;
  for (const auto& entry : entries_) names.push_back(entry->name);
  std::vector<bool> seen(entries_.size());
  for (const auto& [key, value] : node.entries) {
    const std::string full = joined(path, key.scalar);
    const auto found = std::find(names.begin(), names.end(), key.scalar);
    if (found == names.end()) {
      faults.add(key.place(), full, faults.unknown_key_text(key.scalar, names));
      continue;
    }
    const auto position = static_cast<std::size_t>(found - names.begin());
    seen[position] = true;
    apply_entry(*entries_[position], key, value, full, faults);
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!seen[i])
      apply_absence(*entries_[i], node, joined(path, names[i]), faults);
  }
}

void OptionGroup::apply_entry(Entry& entry,
                              const ConfigNode& key,
                              const ConfigNode& value,
                              const std::string& path,
                              ConfigFaults& faults) {
  // YAML puts an empty value wherever the next token stands; its key is where a reader looks.
  const bool empty = value.kind == ConfigNode::Kind::kNull;
  const ConfigNode placed = empty ? nothing_at(key) : value;
  if (entry.section) {
    entry.section->apply_map(placed, path, faults);
  } else if (entry.list) {
    apply_list(entry, placed, path, faults);
  } else {
    entry.read(placed, path, faults);
  }
}

void OptionGroup::apply_list(Entry& entry,
                             const ConfigNode& node,
                             const std::string& path,
                             ConfigFaults& faults) {
  if (node.kind != ConfigNode::Kind::kSequence) {
    faults.add(
        node.place(), path, fmt::format("expected a list of maps, found {}", found_text(node)));
    return;
  }
  entry.list->resize(node.items.size());
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    entry.list->item(i).apply_map(node.items[i], fmt::format("{}[{}]", path, i), faults);
  }
}

void OptionGroup::apply_absence(Entry& entry,
                                const ConfigNode& parent,
                                const std::string& path,
                                ConfigFaults& faults) {
  if (entry.presence == Presence::kRequired) {
    faults.add(parent.place(),
               path,
               fmt::format("required, but missing ({}: {})", entry.type, entry.help));
    return;
  }
  if (!entry.section || entry.presence == Presence::kOptional)
    return;
  // A section that is absent as a whole may still hold a required option.
  entry.section->apply_map(nothing_at(parent), path, faults);
}

}  // namespace regatta
