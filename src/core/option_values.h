// Reading one typed value from a configuration scalar, with a message for what is wrong.
#pragma once

#include "core/options.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace regatta {

/// Each returns nothing and sets `problem` when the node is no legal value of the type. Quoted
/// scalars are text only; integers are plain decimal without leading zeros; numbers are decimal and
/// finite.
std::optional<bool> parse_flag(const ConfigNode& node, std::string& problem);
std::optional<std::int64_t> parse_integer(const ConfigNode& node,
                                          const IntegerRange& range,
                                          std::string& problem);
std::optional<double> parse_number(const ConfigNode& node,
                                   const RealRange& range,
                                   std::string& problem);
std::optional<std::string> parse_text(const ConfigNode& node, std::string& problem);
std::optional<std::string> parse_choice(const ConfigNode& node,
                                        const std::vector<std::string>& allowed,
                                        std::string& problem);

/// "[0, 1)", ">= 0", "" when every value is legal.
std::string range_text(const IntegerRange& range);
std::string range_text(const RealRange& range);

/// What a node is, for messages: "'abc'", "a list", "a map", "nothing".
std::string found_text(const ConfigNode& node);

}  // namespace regatta
