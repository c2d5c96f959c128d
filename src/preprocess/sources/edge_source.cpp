#include "preprocess/sources/edge_source.h"

#include "core/error.h"
#include "data/chunk_format.h"
#include "preprocess/sources/delimited_table.h"
#include "preprocess/sources/number_columns.h"

#include <fmt/format.h>

namespace regatta {
namespace {

struct EdgeColumns {
  std::size_t source = 0, destination = 0, type = 0;
  std::vector<std::size_t> features;
};

EdgeColumns find_columns(const DelimitedTable& table, const EdgeTableOptions& options) {
  EdgeColumns columns;
  columns.source = table.column(options.source, 0, "edges.source");
  columns.destination = table.column(options.destination, 1, "edges.destination");
  columns.type = table.column(options.type, 0, "edges.type");
  for (const std::string& name : options.features) {
    columns.features.push_back(table.column(name, 0, "edges.features"));
  }
  return columns;
}

/// Appends the row to `edges`, or returns why it cannot.
std::string push_edge(const DelimitedTable& table, const EdgeColumns& columns, EdgeTable& edges) {
  const auto& fields = table.fields();
  const std::string_view type = trimmed(fields[columns.type]);
  if (edges.has_types && type.empty())
    return "the edge has no type";
  const std::string_view from = trimmed(fields[columns.source]);
  if (!edges.source.push(from))
    return id_fault("source", from);
  const std::string_view to = trimmed(fields[columns.destination]);
  if (!edges.destination.push(to)) {
    edges.source.pop();
    return id_fault("destination", to);
  }
  std::string fault = push_numbers(table, columns.features, "edges.features", edges.features.value);
  if (!fault.empty()) {
    edges.source.pop();
    edges.destination.pop();
    return fault;
  }
  if (edges.has_types)
    edges.types.code.push_back(edges.types.code_of_name(type));
  edges.line.push_back(table.place().line);
  return {};
}

void check_type_count(const EdgeTable& edges, const RowPlace& place) {
  if (static_cast<std::int64_t>(edges.types.names.size()) <= chunk_format::kMaxEdgeTypes)
    return;
  fail(ExitCode::kData,
       "{}: '{}' is edge type number {}, but at most {} are possible; does edges.type name the "
       "right column?",
       place.text(),
       edges.types.names.back(),
       edges.types.names.size(),
       chunk_format::kMaxEdgeTypes);
}

}  // namespace

EdgeTable read_edge_table(const EdgeTableOptions& options,
                          const std::string& ids,
                          RowReport& report) {
  std::vector<std::string> named = options.features;
  named.insert(named.end(), {options.source, options.destination, options.type});
  DelimitedTable table(
      {options.path, options.format, options.header, options.comment}, named, report);
  const EdgeColumns columns = find_columns(table, options);
  EdgeTable edges;
  edges.path = options.path;
  edges.source = IdColumn(ids);
  edges.destination = IdColumn(ids);
  edges.has_types = !options.type.empty();
  edges.features.width = static_cast<std::int64_t>(columns.features.size());
  for (const std::size_t column : columns.features) {
    if (!table.header().empty())
      edges.features.names.push_back(table.header()[column]);
  }
  while (table.next()) {
    const std::string fault = push_edge(table, columns, edges);
    if (!fault.empty())
      report.bad_row(table.place(), fault);
    check_type_count(edges, table.place());
  }
  return edges;
}

}  // namespace regatta
