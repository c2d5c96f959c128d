#include "core/config_node.h"

#include "core/options.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace regatta {
namespace {

ConfigNode scalar_node(std::string text, bool quoted, const std::string& origin) {
  ConfigNode node;
  node.kind = ConfigNode::Kind::kScalar;
  node.scalar = std::move(text);
  node.quoted = quoted;
  node.origin = origin;
  return node;
}

ConfigNode container_from_json(const nlohmann::ordered_json& json, const std::string& origin) {
  ConfigNode node;
  node.origin = origin;
  if (json.is_array()) {
    node.kind = ConfigNode::Kind::kSequence;
    for (const auto& item : json) node.items.push_back(config_node_from_json(item, origin));
  } else {
    node.kind = ConfigNode::Kind::kMap;
    for (const auto& [key, value] : json.items()) {
      node.entries.emplace_back(scalar_node(key, true, origin),
                                config_node_from_json(value, origin));
    }
  }
  return node;
}

}  // namespace

std::string ConfigNode::place() const {
  return line > 0 ? fmt::format("{}:{}:{}", origin, line, column) : origin;
}

ConfigNode config_node_from_json(const nlohmann::ordered_json& json, const std::string& origin) {
  if (json.is_structured())
    return container_from_json(json, origin);
  if (json.is_string())
    return scalar_node(json.get<std::string>(), true, origin);
  if (json.is_number() || json.is_boolean())
    return scalar_node(json.dump(), false, origin);
  ConfigNode node;
  node.origin = origin;
  return node;
}

}  // namespace regatta
