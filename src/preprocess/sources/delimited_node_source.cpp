// Source `csv` / `tsv`: a node table with an id, perhaps a label, and numeric feature columns.
#include "preprocess/sources/delimited_table.h"
#include "preprocess/sources/node_source.h"
#include "preprocess/sources/number_columns.h"

#include <optional>

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
    const std::string fault =
        push_numbers(rows, columns.features, "nodes.features", table.features.value);
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
