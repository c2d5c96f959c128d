#include "preprocess/sources/number_columns.h"

#include "preprocess/sources/columns.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace regatta {
namespace {

bool is_gap(std::string_view text) {
  if (text.empty())
    return true;
  const auto lower = [&](std::size_t i) { return static_cast<char>(text[i] | 0x20); };
  if (text.size() == 2)
    return lower(0) == 'n' && lower(1) == 'a';
  return text.size() == 3 && lower(0) == 'n' && lower(1) == 'a' && lower(2) == 'n';
}

std::string column_name(const DelimitedTable& table, std::size_t column) {
  if (table.header().empty())
    return std::to_string(column + 1);
  return "'" + table.header()[column] + "'";
}

}  // namespace

std::string push_numbers(const DelimitedTable& table,
                         const std::vector<std::size_t>& columns,
                         const char* option,
                         std::vector<float>& out) {
  const std::size_t before = out.size();
  for (const std::size_t column : columns) {
    const std::string_view text = trimmed(table.fields()[column]);
    if (is_gap(text)) {
      out.push_back(std::numeric_limits<float>::quiet_NaN());
      continue;
    }
    const auto value = any_real(text);
    const float stored = value ? static_cast<float>(*value) : 0;
    if (value && std::isfinite(stored)) {
      out.push_back(stored);
      continue;
    }
    out.resize(before);
    if (value) {
      return fmt::format("column {} holds '{}', expected a finite 32-bit number",
                         column_name(table, column),
                         text);
    }
    return fmt::format("column {} holds '{}', expected a number ({} names the columns to use)",
                       column_name(table, column),
                       text,
                       option);
  }
  return {};
}

}  // namespace regatta
