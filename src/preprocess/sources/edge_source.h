// Source `edge_list`: a delimited table with one edge a row, perhaps with features and a type.
#pragma once

#include "preprocess/sources/raw_tables.h"

#include <string>

namespace regatta {

/// `ids`: auto | integer | text.
EdgeTable read_edge_table(const EdgeTableOptions& options,
                          const std::string& ids,
                          RowReport& report);

}  // namespace regatta
