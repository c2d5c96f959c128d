// A configuration as a plain tree with source positions; what config/yaml_loader produces.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace regatta {

/// One YAML node, free of yaml-cpp. Map entries keep their order; duplicate keys never occur (the
/// loader refuses them).
struct ConfigNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };

  Kind kind = Kind::kNull;
  std::string scalar;     ///< text of a scalar, as written
  bool quoted = false;    ///< a quoted scalar is a string even if it looks like a number
  std::string origin;     ///< file name, or "--set KEY"
  int line = 0;           ///< 1-based; 0 when there is no line (--set)
  int column = 0;         ///< 1-based
  std::vector<ConfigNode> items;                             ///< kSequence
  std::vector<std::pair<ConfigNode, ConfigNode>> entries;    ///< kMap: key scalar, value

  /// "cora.yaml:12:5", or the origin alone when there is no line.
  std::string place() const;
};

}  // namespace regatta
