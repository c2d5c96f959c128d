// Node tables. A new kind is one function and one row of the table in node_source.cpp.
#pragma once

#include "preprocess/sources/raw_tables.h"

#include <string>

namespace regatta {

/// Reads `options.path` in the format named or recognised there; `ids`: auto | integer | text.
NodeTable read_node_table(const NodeTableOptions& options,
                          const std::string& ids,
                          RowReport& report);

/// The kinds behind read_node_table.
NodeTable read_svmlight(const NodeTableOptions& options, const std::string& ids, RowReport& report);
NodeTable read_delimited_nodes(const NodeTableOptions& options,
                               const std::string& ids,
                               RowReport& report);

}  // namespace regatta
