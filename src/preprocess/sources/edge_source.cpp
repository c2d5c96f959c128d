#include "preprocess/sources/edge_source.h"

#include "core/error.h"
#include "preprocess/sources/delimited_table.h"

namespace regatta {

EdgeTable read_edge_table(const EdgeTableOptions& options,
                          const std::string& ids,
                          RowReport& report) {
  DelimitedTable table({options.path, options.format, options.header, options.comment},
                       {options.source, options.destination},
                       report);
  const std::size_t source = table.column(options.source, 0, "edges.source");
  const std::size_t destination = table.column(options.destination, 1, "edges.destination");
  EdgeTable edges;
  edges.path = options.path;
  edges.source = IdColumn(ids);
  edges.destination = IdColumn(ids);
  while (table.next()) {
    const auto& fields = table.fields();
    const std::string_view from = trimmed(fields[source]);
    const std::string_view to = trimmed(fields[destination]);
    if (!edges.source.push(from)) {
      report.bad_row(table.place(), id_fault("source", from));
      continue;
    }
    if (!edges.destination.push(to)) {
      edges.source.pop();
      report.bad_row(table.place(), id_fault("destination", to));
      continue;
    }
    edges.line.push_back(table.place().line);
  }
  return edges;
}

}  // namespace regatta
