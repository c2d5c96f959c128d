// YAML files and --set overrides as a ConfigNode tree. yaml_loader.cpp is the only user of
// yaml-cpp.
#pragma once

#include "core/config_node.h"

#include <string>
#include <vector>

namespace regatta {

/// Parses `path`. Refuses, with file:line:column and Error(kUsage): syntax errors, duplicate keys,
/// aliases and anchors (no alias bombs), tags, several documents, files over 16 MiB, nesting
/// over 64.
ConfigNode load_yaml_file(const std::string& path);
ConfigNode load_yaml_text(const std::string& text, const std::string& origin);

/// Applies "a.b.c=value" (value is YAML flow syntax; list items as "model.layers.0.heads=4") over
/// `root`, creating missing maps. The new node's origin is "--set a.b.c". Throws Error(kUsage) for
/// malformed assignments.
void apply_override(ConfigNode& root, const std::string& assignment);

}  // namespace regatta
