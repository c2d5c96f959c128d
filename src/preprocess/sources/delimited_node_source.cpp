// Source `csv` / `tsv`: a node table with an id, perhaps a label, and numeric feature columns.
#include "core/error.h"
#include "preprocess/sources/delimited_table.h"
#include "preprocess/sources/node_source.h"

#include <cmath>
#include <limits>

namespace regatta {
namespace {

struct NodeColumns {
  std::size_t id = 0;
  std::optional<std::size_t> label;
  std::vector<std::size_t> features;
};

NodeColumns find_columns(const DelimitedTable& table, const NodeTableOptions& options) {
  NodeColumns columns;
  columns.id = table.column(options.id, 0, "nodes.id");
  if (!options.label.empty())
    columns.label = table.column(options.label, 0, "nodes.label");
  for (const std::string& name : options.features) {
    columns.features.push_back(table.column(name, 0, "nodes.features"));
  }
  if (!options.features.empty())
    return columns;
  for (std::size_t i = 0; i < table.columns(); ++i) {
    if (i != columns.id && (!columns.label || i != *columns.label))
      columns.features.push_back(i);
  }
  return columns;
}

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

/// Appends the row's feature values; on a fault takes them back and says why.
std::string push_features(const DelimitedTable& table,
                          const NodeColumns& columns,
                          std::vector<float>& out) {
  const std::size_t before = out.size();
  for (const std::size_t column : columns.features) {
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
    return fmt::format(
        "column {} holds '{}', expected a number (nodes.features names the columns to use)",
        column_name(table, column),
        text);
  }
  return {};
}

}  // namespace

NodeTable read_delimited_nodes(const NodeTableOptions& options,
                               const std::string& ids,
                               RowReport& report) {
  std::vector<std::string> named = options.features;
  named.push_back(options.id);
  named.push_back(options.label);
  DelimitedTable rows(
      {options.path, options.format, options.header, options.comment}, named, report);
  const NodeColumns columns = find_columns(rows, options);
  NodeTable table;
  table.path = options.path;
  table.ids = IdColumn(ids);
  table.has_labels = columns.label.has_value();
  table.features.width = static_cast<std::int64_t>(columns.features.size());
  for (const std::size_t column : columns.features) {
    if (!rows.header().empty())
      table.features.names.push_back(rows.header()[column]);
  }
  while (rows.next()) {
    const std::string_view id = trimmed(rows.fields()[columns.id]);
    if (!table.ids.push(id)) {
      report.bad_row(rows.place(), id_fault("node", id));
      continue;
    }
    const std::string fault = push_features(rows, columns, table.features.value);
    if (!fault.empty()) {
      table.ids.pop();
      report.bad_row(rows.place(), fault);
      continue;
    }
    if (columns.label)
      table.labels.push(trimmed(rows.fields()[*columns.label]));
    table.line.push_back(rows.place().line);
  }
  return table;
}

}  // namespace regatta
