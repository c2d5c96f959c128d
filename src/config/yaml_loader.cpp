#include "config/yaml_loader.h"

#include "core/error.h"
#include "core/file.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <unordered_map>
#include <utility>

namespace regatta {
namespace {

constexpr std::uint64_t kLargestFile = std::uint64_t{16} << 20;
constexpr std::size_t kDeepestNesting = 64;

[[noreturn]] void refuse(const std::string& origin, int line, int column, const std::string& text) {
  ConfigNode place;
  place.origin = origin;
  place.line = line;
  place.column = column;
  throw Error(ExitCode::kUsage, fmt::format("{}: {}", place.place(), text));
}

/// Builds the tree from yaml-cpp's parser events. Events, not YAML::Node: only they show duplicate
/// keys, anchors, tags and whether a scalar was quoted, and aliases are refused before anything is
/// expanded.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const std::string& origin) : origin_(origin) {}

  ConfigNode take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    ConfigNode node = make_node(mark, ConfigNode::Kind::kNull);
    if (expects_key())
      refuse_at(mark, "a key of a map must be a text, found nothing");
    add(std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse_at(mark, "aliases (*name) are not supported; write the value out");
  }

  void OnScalar(const YAML::Mark& mark,
                const std::string& tag,
                YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    ConfigNode node = make_node(mark, ConfigNode::Kind::kScalar);
    node.scalar = value;
    node.quoted = tag == "!";  // yaml-cpp's mark for every scalar that is not plain
    if (expects_key()) {
      add_key(std::move(node));
    } else {
      add(std::move(node));
    }
  }

  void OnSequenceStart(const YAML::Mark& mark,
                       const std::string& tag,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    start(mark, tag, anchor, ConfigNode::Kind::kSequence);
  }
  void OnSequenceEnd() override { finish(); }

  void OnMapStart(const YAML::Mark& mark,
                  const std::string& tag,
                  YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    start(mark, tag, anchor, ConfigNode::Kind::kMap);
  }
  void OnMapEnd() override { finish(); }

  void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
    refuse_at(mark, fmt::format("anchors (&{}) are not supported; write the value out", name));
  }

 private:
  struct Open {
    ConfigNode node;
    bool has_key = false;
    ConfigNode key;
    std::unordered_map<std::string, std::string> seen;  ///< key, its place
  };

  [[noreturn]] void refuse_at(const YAML::Mark& mark, const std::string& text) const {
    refuse(origin_, mark.line + 1, mark.column + 1, text);
  }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) const {
    if (anchor != 0)
      refuse_at(mark, "anchors (&name) are not supported; write the value out");
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (tag.empty() || tag == "!" || tag == "?")
      return;
    refuse_at(mark, fmt::format("tags ('{}') are not supported", tag));
  }

  ConfigNode make_node(const YAML::Mark& mark, ConfigNode::Kind kind) const {
    ConfigNode node;
    node.kind = kind;
    node.origin = origin_;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  bool expects_key() const {
    return !open_.empty() && open_.back().node.kind == ConfigNode::Kind::kMap &&
           !open_.back().has_key;
  }

  void add_key(ConfigNode key) {
    Open& map = open_.back();
    const auto [before, is_new] = map.seen.emplace(key.scalar, key.place());
    if (!is_new) {
      refuse(origin_,
             key.line,
             key.column,
             fmt::format("duplicate key '{}', first at {}", key.scalar, before->second));
    }
    map.key = std::move(key);
    map.has_key = true;
  }

  void start(const YAML::Mark& mark,
             const std::string& tag,
             YAML::anchor_t anchor,
             ConfigNode::Kind kind) {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (expects_key())
      refuse_at(mark,
                "a key of a map must be a text, found a list or map (is a bracket left open?)");
    if (open_.size() >= kDeepestNesting) {
      refuse_at(mark, fmt::format("nested deeper than {} levels", kDeepestNesting));
    }
    open_.emplace_back();
    open_.back().node = make_node(mark, kind);
  }

  void finish() {
    ConfigNode node = std::move(open_.back().node);
    open_.pop_back();
    add(std::move(node));
  }

  void add(ConfigNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == ConfigNode::Kind::kSequence) {
      parent.node.items.push_back(std::move(node));
    } else {
      parent.node.entries.emplace_back(std::move(parent.key), std::move(node));
      parent.has_key = false;
    }
  }

  std::string origin_;
  ConfigNode root_;
  std::vector<Open> open_;
};

/// Binary content would otherwise reach yaml-cpp, which takes byte 4 for the end of the file.
void refuse_control_characters(const std::string& text, const std::string& origin) {
  int line = 1;
  int column = 1;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7F) {
      refuse(origin, line, column, fmt::format("byte 0x{:02x} is not allowed in YAML text", byte));
    }
    column = c == '\n' ? 1 : column + 1;
    line += c == '\n' ? 1 : 0;
  }
}

/// Path of "a.b.0.c" split at its dots.
std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> names(1);
  for (const char c : path) {
    if (c == '.') {
      names.emplace_back();
    } else {
      names.back() += c;
    }
  }
  return names;
}

/// An override has no line; its origin says which one it is.
void forget_lines(ConfigNode& node) {
  node.line = 0;
  node.column = 0;
  for (ConfigNode& item : node.items) forget_lines(item);
  for (auto& [key, value] : node.entries) {
    forget_lines(key);
    forget_lines(value);
  }
}

ConfigNode& item_of(ConfigNode& list, const std::string& name, const std::string& origin) {
  std::size_t index = 0;
  const auto [end, status] = std::from_chars(name.data(), name.data() + name.size(), index);
  if (status != std::errc() || end != name.data() + name.size() || index >= list.items.size()) {
    fail(ExitCode::kUsage,
         "{}: '{}' is no item of the list at {}, which has {} (counted from 0)",
         origin,
         name,
         list.place(),
         list.items.size());
  }
  return list.items[index];
}

ConfigNode& entry_of(ConfigNode& map, const std::string& name, const std::string& origin) {
  if (map.kind == ConfigNode::Kind::kNull)
    map.kind = ConfigNode::Kind::kMap;
  if (map.kind != ConfigNode::Kind::kMap) {
    fail(ExitCode::kUsage,
         "{}: '{}' cannot be set inside the plain value at {}",
         origin,
         name,
         map.place());
  }
  for (auto& [key, value] : map.entries) {
    if (key.scalar == name)
      return value;
  }
  if (name.find_first_not_of("0123456789") == std::string::npos) {
    fail(ExitCode::kUsage,
         "{}: there is no list with an item {}; write the whole list, e.g. KEY=[{{...}}, {{...}}]",
         origin,
         name);
  }
  ConfigNode key;
  key.kind = ConfigNode::Kind::kScalar;
  key.scalar = name;
  key.origin = origin;
  ConfigNode value;
  value.origin = origin;
  map.entries.emplace_back(std::move(key), std::move(value));
  return map.entries.back().second;
}

/// The value's key now comes from the override too, so that a message about it points there.
void mark_key(ConfigNode& map, const ConfigNode& value, const std::string& origin) {
  for (auto& [key, other] : map.entries) {
    if (&other != &value)
      continue;
    key.origin = origin;
    key.line = 0;
    key.column = 0;
  }
}

}  // namespace

ConfigNode load_yaml_text(const std::string& text, const std::string& origin) {
  refuse_control_characters(text, origin);
  TreeBuilder builder(origin);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    if (parser.HandleNextDocument(builder)) {
      TreeBuilder second(origin);
      if (parser.HandleNextDocument(second)) {
        fail(
            ExitCode::kUsage, "{}: holds more than one YAML document; only one is allowed", origin);
      }
    }
  } catch (const YAML::Exception& error) {
    refuse(origin, error.mark.line + 1, error.mark.column + 1, "YAML syntax: " + error.msg);
  }
  ConfigNode root = builder.take();
  if (root.origin.empty())
    root.origin = origin;
  return root;
}

ConfigNode load_yaml_file(const std::string& path) {
  std::string text;
  try {
    text = read_file(path, kLargestFile);
  } catch (const Error& error) {
    throw Error(ExitCode::kUsage, fmt::format("configuration {}", error.what()));
  }
  return load_yaml_text(text, path);
}

void apply_override(ConfigNode& root, const std::string& assignment) {
  const std::size_t equals = assignment.find('=');
  const std::string path = assignment.substr(0, equals);
  const std::string origin = "--set " + path;
  const std::vector<std::string> names = split_path(path);
  const bool has_gap = std::find(names.begin(), names.end(), "") != names.end();
  if (equals == std::string::npos || has_gap) {
    fail(ExitCode::kUsage,
         "--set '{}': expected KEY=VALUE with a key such as train.epochs",
         assignment);
  }
  if (names.size() > kDeepestNesting) {
    fail(ExitCode::kUsage, "{}: nested deeper than {} levels", origin, kDeepestNesting);
  }
  ConfigNode value = load_yaml_text(assignment.substr(equals + 1), origin);
  forget_lines(value);
  ConfigNode* parent = nullptr;
  ConfigNode* node = &root;
  for (const std::string& name : names) {
    parent = node;
    node = parent->kind == ConfigNode::Kind::kSequence ? &item_of(*parent, name, origin)
                                                       : &entry_of(*parent, name, origin);
  }
  mark_key(*parent, *node, origin);
  *node = std::move(value);
}

}  // namespace regatta
