#include "core/option_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace regatta {
namespace {

constexpr std::size_t kShownCharacters = 60;

std::string expected(const std::string& what, const ConfigNode& node) {
  std::string text = fmt::format("expected {}, found {}", what, found_text(node));
  if (node.kind == ConfigNode::Kind::kScalar && node.quoted)
    text += " in quotes";
  return text;
}

/// "007" would be read as octal by some and as 7 by others, so it is no number here.
bool has_leading_zero(const std::string& text) {
  const std::size_t first = !text.empty() && text[0] == '-' ? 1 : 0;
  return text.size() > first + 1 && text[first] == '0' && text[first + 1] >= '0' &&
         text[first + 1] <= '9';
}

bool is_plain_scalar(const ConfigNode& node) {
  return node.kind == ConfigNode::Kind::kScalar && !node.quoted;
}

/// True for the spellings of NaN and infinity in YAML and in std::from_chars.
bool looks_non_finite(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c);
  });
  if (!text.empty() && (text[0] == '-' || text[0] == '+'))
    text.erase(0, 1);
  if (!text.empty() && text[0] == '.')
    text.erase(0, 1);
  return text == "nan" || text == "inf" || text == "infinity";
}

}  // namespace

std::string found_text(const ConfigNode& node) {
  switch (node.kind) {
    case ConfigNode::Kind::kNull:
      return "nothing";
    case ConfigNode::Kind::kSequence:
      return "a list";
    case ConfigNode::Kind::kMap:
      return "a map";
    case ConfigNode::Kind::kScalar:
      break;
  }
  if (node.scalar.size() <= kShownCharacters)
    return "'" + node.scalar + "'";
  return "'" + node.scalar.substr(0, kShownCharacters) + "...'";
}

std::string range_text(const IntegerRange& range) {
  const bool below = range.min != std::numeric_limits<std::int64_t>::min();
  const bool above = range.max != std::numeric_limits<std::int64_t>::max();
  if (below && above)
    return fmt::format("[{}, {}]", range.min, range.max);
  if (below)
    return fmt::format(">= {}", range.min);
  if (above)
    return fmt::format("<= {}", range.max);
  return "";
}

std::string range_text(const RealRange& range) {
  const bool below = std::isfinite(range.min);
  const bool above = std::isfinite(range.max);
  if (below && above) {
    return fmt::format("{}{}, {}{}",
                       range.min_exclusive ? '(' : '[',
                       range.min,
                       range.max,
                       range.max_exclusive ? ')' : ']');
  }
  if (below)
    return fmt::format("{} {}", range.min_exclusive ? ">" : ">=", range.min);
  if (above)
    return fmt::format("{} {}", range.max_exclusive ? "<" : "<=", range.max);
  return "";
}

std::optional<bool> parse_flag(const ConfigNode& node, std::string& problem) {
  if (is_plain_scalar(node) && node.scalar == "true")
    return true;
  if (is_plain_scalar(node) && node.scalar == "false")
    return false;
  problem = expected("true or false", node);
  return {};
}

std::optional<std::int64_t> parse_integer(const ConfigNode& node,
                                          const IntegerRange& range,
                                          std::string& problem) {
  problem = expected("an integer", node);
  if (!is_plain_scalar(node))
    return {};
  const std::string& text = node.scalar;
  if (has_leading_zero(text)) {
    problem += " (write it without the leading zero)";
    return {};
  }
  std::int64_t value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size())
    return {};
  if (status == std::errc::result_out_of_range) {
    problem += ", which does not fit 64 bits";
    return {};
  }
  if (status != std::errc())
    return {};
  if (value < range.min || value > range.max) {
    problem =
        fmt::format("expected an integer in the range {}, found {}", range_text(range), value);
    return {};
  }
  return value;
}

std::optional<double> parse_number(const ConfigNode& node,
                                   const RealRange& range,
                                   std::string& problem) {
  problem = expected("a number", node);
  if (!is_plain_scalar(node))
    return {};
  const std::string& text = node.scalar;
  if (looks_non_finite(text)) {
    problem = expected("a finite number", node);
    return {};
  }
  if (has_leading_zero(text)) {
    problem += " (write it without the leading zero)";
    return {};
  }
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size())
    return {};
  if (status == std::errc::result_out_of_range) {
    problem += ", which double precision cannot hold";
    return {};
  }
  if (status != std::errc())
    return {};
  const bool too_low = range.min_exclusive ? value <= range.min : value < range.min;
  const bool too_high = range.max_exclusive ? value >= range.max : value > range.max;
  if (too_low || too_high) {
    problem = fmt::format("expected a number in the range {}, found {}", range_text(range), text);
    return {};
  }
  return value;
}

std::optional<std::string> parse_text(const ConfigNode& node, std::string& problem) {
  if (node.kind == ConfigNode::Kind::kScalar)
    return node.scalar;
  problem = expected("text", node);
  if (node.kind == ConfigNode::Kind::kNull)
    problem += " (write '' for an empty text)";
  return {};
}

std::optional<std::string> parse_choice(const ConfigNode& node,
                                        const std::vector<std::string>& allowed,
                                        std::string& problem) {
  problem = expected(fmt::format("one of {}", fmt::join(allowed, ", ")), node);
  if (node.kind != ConfigNode::Kind::kScalar)
    return {};
  if (std::find(allowed.begin(), allowed.end(), node.scalar) != allowed.end())
    return node.scalar;
  const std::string near = nearest_name(node.scalar, allowed);
  problem = fmt::format("expected one of {}, found {}", fmt::join(allowed, ", "), found_text(node));
  if (!near.empty())
    problem += fmt::format("; did you mean '{}'?", near);
  return {};
}

}  // namespace regatta
