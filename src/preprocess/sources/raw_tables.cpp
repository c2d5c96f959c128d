#include "preprocess/sources/raw_tables.h"

#include "preprocess/sources/edge_source.h"
#include "preprocess/sources/node_source.h"
#include "preprocess/sources/split_source.h"

namespace regatta {

RawTables read_raw_tables(const PreprocessOptions& options, RowReport& report) {
  RawTables tables;
  tables.edges = read_edge_table(options.edges, options.ids, report);
  if (!options.nodes.path.empty())
    tables.nodes = read_node_table(options.nodes, options.ids, report);
  if (!options.labels.path.empty()) {
    tables.labels = read_label_table(options.labels, options.ids, report);
  }
  if (!options.splits.path.empty()) {
    tables.splits = read_split_table(options.splits, options.ids, report);
  }
  IdColumn* columns[] = {&tables.edges.source,
                         &tables.edges.destination,
                         &tables.nodes.ids,
                         &tables.labels.ids,
                         &tables.splits.ids};
  bool any_text = false;
  for (const IdColumn* column : columns) any_text = any_text || column->is_text();
  for (IdColumn* column : columns) {
    if (any_text)
      column->become_text();
  }
  return tables;
}

}  // namespace regatta
