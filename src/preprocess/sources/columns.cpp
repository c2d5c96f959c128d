#include "preprocess/sources/columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

namespace regatta {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<double> any_real(std::string_view text) {
  if (text.starts_with('+'))
    text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || text.empty())
    return std::nullopt;
  if (error == std::errc::invalid_argument)
    return std::nullopt;
  // Out of range is either an underflow, which is zero for us, or an overflow.
  if (error == std::errc::result_out_of_range)
    return std::strtod(std::string(text).c_str(), nullptr);
  return value;
}

std::optional<std::int64_t> any_integer(std::string_view text) {
  if (text.starts_with('+'))
    text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

std::optional<std::int64_t> canonical_integer(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with('-'))
    digits.remove_prefix(1);
  if (digits.empty() || digits[0] < '0' || digits[0] > '9')
    return std::nullopt;
  if (digits[0] == '0' && text.size() > 1)
    return std::nullopt;
  return any_integer(text);
}

IdColumn::IdColumn(const std::string& kind)
    : integers_only_(kind == "integer"), is_text_(kind == "text") {}

IdColumn IdColumn::of_integers(std::vector<std::int64_t> ids) {
  IdColumn column("integer");
  column.integers_ = std::move(ids);
  return column;
}

bool IdColumn::push(std::string_view id) {
  if (id.empty())
    return false;
  if (!is_text_) {
    const auto value = integers_only_ ? any_integer(id) : canonical_integer(id);
    if (value) {
      integers_.push_back(*value);
      return true;
    }
    if (integers_only_)
      return false;
    become_text();
  }
  bytes_ += id;
  offsets_.push_back(static_cast<std::int64_t>(bytes_.size()));
  return true;
}

void IdColumn::pop() {
  if (!is_text_) {
    integers_.pop_back();
    return;
  }
  offsets_.pop_back();
  bytes_.resize(static_cast<std::size_t>(offsets_.back()));
}

void IdColumn::become_text() {
  if (is_text_)
    return;
  is_text_ = true;
  for (const std::int64_t value : integers_) {
    bytes_ += std::to_string(value);
    offsets_.push_back(static_cast<std::int64_t>(bytes_.size()));
  }
  integers_.clear();
  integers_.shrink_to_fit();
}

std::string IdColumn::shown(std::size_t i) const {
  return is_text_ ? fmt::format("'{}'", text(i)) : std::to_string(integers_[i]);
}

IdColumn IdColumn::select(const std::vector<std::int64_t>& rows) const {
  IdColumn result(is_text_ ? "text" : "auto");
  for (const std::int64_t row : rows) {
    if (!is_text_) {
      result.integers_.push_back(integers_[row]);
      continue;
    }
    result.bytes_ += text(static_cast<std::size_t>(row));
    result.offsets_.push_back(static_cast<std::int64_t>(result.bytes_.size()));
  }
  return result;
}

std::string id_fault(const char* what, std::string_view id) {
  if (id.empty())
    return fmt::format("the {} id is empty", what);
  return fmt::format("the {} id '{}' is not a 64-bit integer", what, id);
}

std::int32_t LabelColumn::code_of(std::string_view label) {
  return label.empty() || label == "-1" ? -1 : code_of_name(label);
}

std::int32_t LabelColumn::code_of_name(std::string_view label) {
  std::string name(label);
  if (const auto value = any_integer(label))
    name = std::to_string(*value);  // "+1" and "1" are one class
  const auto [entry, added] = codes_.try_emplace(name, static_cast<std::int32_t>(names.size()));
  if (added)
    names.push_back(std::move(name));
  return entry->second;
}

void LabelColumn::push(std::string_view label) {
  code.push_back(code_of(label));
}

void sort_names(std::vector<std::string>& names) {
  const bool integers = std::all_of(names.begin(), names.end(), [](const std::string& name) {
    return canonical_integer(name).has_value();
  });
  if (!integers)
    return std::sort(names.begin(), names.end());
  std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
    return *canonical_integer(a) < *canonical_integer(b);
  });
}

}  // namespace regatta
