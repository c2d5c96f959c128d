#include "config/apply_config.h"

#include "config/yaml_loader.h"
#include "core/error.h"
#include "core/option_values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace regatta {
namespace {

using Kind = ConfigNode::Kind;

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

bool is_among(const std::string& name, std::string_view names) {
  const std::vector<std::string> all = split(names, '|');
  return std::find(all.begin(), all.end(), name) != all.end();
}

/// "dot", "gat or gatv2", "adam, adamw or rmsprop".
std::string alternatives(std::string_view names) {
  std::vector<std::string> all = split(names, '|');
  const std::string last = std::move(all.back());
  all.pop_back();
  return all.empty() ? last : fmt::format("{} or {}", fmt::join(all, ", "), last);
}

/// Whether `text` is among an option's choices; true for options without them.
bool is_legal(const std::string& text, const OptionDescription& row) {
  constexpr std::string_view kChoice = "one of ";
  if (row.type.starts_with(kChoice))
    return is_among(text, row.type.substr(kChoice.size()));
  return row.type != "true|false" || is_among(text, row.type);
}

const ConfigNode* entry_of(const ConfigNode& map, const std::string& name) {
  for (const auto& [key, value] : map.entries) {
    if (key.scalar == name)
      return &value;
  }
  return nullptr;
}

/// Equal as YAML texts or as numbers: 0.2 is 0.20.
bool same_value(const ConfigNode& a, const ConfigNode& b) {
  if (a.kind == Kind::kSequence && b.kind == Kind::kSequence)
    return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), &same_value);
  if (a.kind != Kind::kScalar || b.kind != Kind::kScalar)
    return false;
  std::string problem;
  const auto x = parse_number(a, {}, problem);
  const auto y = parse_number(b, {}, problem);
  return a.scalar == b.scalar || (x && y && *x == *y);
}

/// Where the walk through a configuration is.
struct Place {
  std::string path;      ///< "model.layers[].scale", as OptionDescription has it
  std::string shown;     ///< "model.layers.0.scale", as --set takes it
  std::size_t item = 0;  ///< of the innermost list

  Place entry(const std::string& name) const {
    const std::string dot = path.empty() ? "" : ".";
    return {path + dot + name, shown + dot + name, item};
  }
  Place at(std::size_t i) const { return {path + "[]", fmt::format("{}.{}", shown, i), i}; }
};

class UnreadOptions {
 public:
  UnreadOptions(const ConfigNode& root,
                const std::vector<OptionDescription>& rows,
                std::span<const OptionReader> readers)
      : root_(root), rows_(rows), readers_(readers) {}

  std::vector<std::string> find() {
    visit(root_, {});
    return std::move(lines_);
  }

 private:
  void visit(const ConfigNode& node, const Place& place) {
    for (const auto& [key, value] : node.entries) visit(value, place.entry(key.scalar));
    for (std::size_t i = 0; i < node.items.size(); ++i) visit(node.items[i], place.at(i));
    check(node, place);
  }

  void check(const ConfigNode& value, const Place& place) {
    const OptionReader* const reader = missing_reader(place);
    const OptionDescription* const row = description(place.path);
    // An empty value is a fault of its own.
    if (reader == nullptr || row == nullptr || value.kind == Kind::kNull ||
        same_value(value, load_yaml_text(row->fallback, "default")))
      return;
    const std::string where = value.place();
    lines_.push_back(fmt::format("{}{}has no effect: {}; leave it out, or at its default {}",
                                 where.empty() ? "" : where + ": ",
                                 where == "--set " + place.shown ? "" : place.shown + ": ",
                                 reason(*reader, place),
                                 row->fallback));
  }

  /// The first row of the table that lets nothing read the option here, or null.
  const OptionReader* missing_reader(const Place& place) const {
    const std::size_t dot = place.path.rfind('.');
    if (dot == std::string::npos)
      return nullptr;
    const auto found =
        std::find_if(readers_.begin(), readers_.end(), [&](const OptionReader& reader) {
          return reader.section == place.path.substr(0, dot) &&
                 is_among(place.path.substr(dot + 1), reader.names) && !holds(reader.when, place) &&
                 (reader.or_when.key.empty() || !holds(reader.or_when, place));
        });
    return found == readers_.end() ? nullptr : &*found;
  }

  /// True also where the state's option has an illegal value: that fault comes first.
  bool holds(const OptionState& state, const Place& place) const {
    const std::optional<std::string> text = text_of(state, place);
    if (!text)
      return true;
    if (state.values == kGiven)
      return !text->empty();
    if (state.values == kNotGiven)
      return text->empty();
    return is_among(*text, state.values);
  }

  /// What the state's option is, in the file or by default: its text, for a list "" or "given".
  /// Nothing where the value is illegal.
  std::optional<std::string> text_of(const OptionState& state, const Place& place) const {
    const OptionDescription* const row = description(state.key);
    if (row == nullptr)
      return std::nullopt;
    const ConfigNode* const node = node_at(state.key, place.item);
    const ConfigNode value = node != nullptr ? *node : load_yaml_text(row->fallback, "default");
    if (value.kind != (row->type.starts_with("list of ") ? Kind::kSequence : Kind::kScalar))
      return std::nullopt;
    if (value.kind == Kind::kSequence)
      return value.items.empty() ? "" : "given";
    return is_legal(value.scalar, *row) ? std::optional(value.scalar) : std::nullopt;
  }

  const ConfigNode* node_at(std::string_view path, std::size_t item) const {
    const ConfigNode* node = &root_;
    for (std::string name : split(path, '.')) {
      const bool is_list = name.ends_with("[]");
      if (is_list)
        name.resize(name.size() - 2);
      node = entry_of(*node, name);
      if (node != nullptr && is_list)
        node = item < node->items.size() ? &node->items[item] : nullptr;
      if (node == nullptr)
        return nullptr;
    }
    return node;
  }

  const OptionDescription* description(std::string_view path) const {
    const auto found =
        std::find_if(rows_.begin(), rows_.end(), [path](const OptionDescription& row) {
          return row.path == path;
        });
    return found == rows_.end() ? nullptr : &*found;
  }

  /// "it is for attention: dot, but attention is gat".
  std::string reason(const OptionReader& reader, const Place& place) const {
    std::string needs = needs_text(reader, reader.when);
    std::string found = state_text(reader, reader.when, place);
    if (!reader.or_when.key.empty()) {
      needs += " or " + needs_text(reader, reader.or_when);
      found += " and " + state_text(reader, reader.or_when, place);
    }
    return fmt::format("it is for {}, but {}", needs, found);
  }

  static std::string needs_text(const OptionReader& reader, const OptionState& state) {
    const std::string key = short_key(reader, state);
    if (state.values == kGiven)
      return "a given " + key;
    if (state.values == kNotGiven)
      return "an empty " + key;
    return fmt::format("{}: {}", key, alternatives(state.values));
  }

  std::string state_text(const OptionReader& reader,
                         const OptionState& state,
                         const Place& place) const {
    const std::string key = short_key(reader, state);
    if (state.values == kGiven)
      return key + " is empty";
    if (state.values == kNotGiven)
      return key + " is given";
    return fmt::format("{} is {}", key, text_of(state, place).value_or(""));
  }

  /// The last name of a key of the option's own section, else the whole key.
  static std::string short_key(const OptionReader& reader, const OptionState& state) {
    const std::string own = std::string(reader.section) + ".";
    return std::string(state.key.starts_with(own) ? state.key.substr(own.size()) : state.key);
  }

  const ConfigNode& root_;
  const std::vector<OptionDescription>& rows_;
  std::span<const OptionReader> readers_;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> unread_options(const ConfigNode& root,
                                        const std::vector<OptionDescription>& rows,
                                        std::span<const OptionReader> readers) {
  return UnreadOptions(root, rows, readers).find();
}

void apply_config(OptionGroup& group, const ConfigNode& root) {
  std::vector<std::string> faults;
  try {
    group.apply(root);
  } catch (const Error& error) {
    if (error.code() != ExitCode::kUsage)
      throw;
    faults.emplace_back(error.what());
  }
  for (std::string& line : unread_options(root, group.describe(), option_readers()))
    faults.push_back(std::move(line));
  if (!faults.empty())
    throw Error(ExitCode::kUsage, fmt::format("{}", fmt::join(faults, "\n")));
}

}  // namespace regatta
