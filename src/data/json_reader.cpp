// Typed access to JSON with the path in every error.
#include "data/json_reader.h"

#include "core/error.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <set>

namespace regatta {
namespace {

constexpr std::size_t kShownValue = 60;
constexpr int kMaxDepth = 64;  // printing a value recurses

using Json = nlohmann::ordered_json;

std::string join(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

}  // namespace

JsonReader::JsonReader(const Json& node, std::string where, std::string path)
    : node_(&node), where_(std::move(where)), path_(std::move(path)) {}

void JsonReader::refuse(const std::string& found, const std::string& expected) const {
  fail(ExitCode::kData,
       "{}: {}: found {}, expected {}; was the file edited or damaged? restore it or preprocess "
       "again",
       where_,
       path_.empty() ? "the document" : path_,
       found,
       expected);
}

std::string JsonReader::found() const {
  std::string text = node_->dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > kShownValue)
    text = text.substr(0, kShownValue) + "...";
  return text;
}

JsonReader JsonReader::at(const std::string& key) const {
  if (!node_->is_object())
    refuse(found(), "an object");
  const auto member = node_->find(key);
  const JsonReader missing(*node_, where_, join(path_, key));
  if (member == node_->end())
    missing.refuse("nothing", "this key");
  return {*member, where_, join(path_, key)};
}

bool JsonReader::has(const std::string& key) const {
  return node_->is_object() && node_->contains(key);
}

std::vector<JsonReader> JsonReader::items() const {
  if (!node_->is_array())
    refuse(found(), "a list");
  std::vector<JsonReader> result;
  result.reserve(node_->size());
  for (const Json& item : *node_)
    result.emplace_back(item, where_, fmt::format("{}[{}]", path_, result.size()));
  return result;
}

std::vector<std::pair<std::string, JsonReader>> JsonReader::members() const {
  if (!node_->is_object())
    refuse(found(), "an object");
  std::vector<std::pair<std::string, JsonReader>> result;
  for (const auto& [key, value] : node_->items())
    result.emplace_back(key, JsonReader(value, where_, join(path_, key)));
  return result;
}

std::string JsonReader::text() const {
  if (!node_->is_string())
    refuse(found(), "text");
  return node_->get<std::string>();
}

std::string JsonReader::one_of(std::initializer_list<const char*> allowed) const {
  const std::string value = text();
  std::string list;
  for (const char* candidate : allowed) {
    if (value == candidate)
      return value;
    list += (list.empty() ? "" : " | ") + std::string(candidate);
  }
  refuse(found(), list);
}

bool JsonReader::boolean() const {
  if (!node_->is_boolean())
    refuse(found(), "true or false");
  return node_->get<bool>();
}

double JsonReader::number() const {
  if (!node_->is_number() || !std::isfinite(node_->get<double>()))
    refuse(found(), "a finite number");
  return node_->get<double>();
}

std::uint64_t JsonReader::unsigned_integer() const {
  if (!node_->is_number_unsigned())
    refuse(found(), "an integer >= 0");
  return node_->get<std::uint64_t>();
}

std::int64_t JsonReader::count() const {
  // A manifest built in memory holds signed numbers; a parsed one unsigned ones.
  if (node_->is_number_integer() && !node_->is_number_unsigned() && node_->get<std::int64_t>() >= 0)
    return node_->get<std::int64_t>();
  if (!node_->is_number_unsigned() || node_->get<std::uint64_t>() > std::uint64_t{INT64_MAX})
    refuse(found(), "an integer in [0, 2^63)");
  return node_->get<std::int64_t>();
}

std::uint32_t JsonReader::hexadecimal() const {
  const std::string digits = text();
  if (digits.size() != 8 || digits.find_first_not_of("0123456789abcdef") != std::string::npos)
    refuse(found(), "8 lower-case hexadecimal digits");
  return static_cast<std::uint32_t>(std::stoul(digits, nullptr, 16));
}

std::vector<std::string> JsonReader::texts() const {
  std::vector<std::string> result;
  for (const JsonReader& item : items()) result.push_back(item.text());
  return result;
}

std::vector<double> JsonReader::numbers() const {
  std::vector<double> result;
  for (const JsonReader& item : items()) result.push_back(item.number());
  return result;
}

std::vector<std::int64_t> JsonReader::counts() const {
  std::vector<std::int64_t> result;
  for (const JsonReader& item : items()) result.push_back(item.count());
  return result;
}

Json parse_json(const std::string& text, const std::string& where) {
  std::vector<std::set<std::string>> open;
  const auto check = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > kMaxDepth)
      fail(ExitCode::kData,
           "{}: nested deeper than {} levels; restore the file or preprocess again",
           where,
           kMaxDepth);
    if (event == Json::parse_event_t::object_start)
      open.emplace_back();
    if (event == Json::parse_event_t::object_end)
      open.pop_back();
    if (event == Json::parse_event_t::key && !open.back().insert(value.get<std::string>()).second)
      fail(ExitCode::kData,
           "{}: key '{}' occurs twice in one object; keep one",
           where,
           value.get<std::string>());
    return true;
  };
  try {
    return Json::parse(text, check);
  } catch (const nlohmann::json::exception& error) {
    fail(ExitCode::kData,
         "{}: not valid JSON: {}; restore the file or preprocess again",
         where,
         error.what());
  }
}

}  // namespace regatta
