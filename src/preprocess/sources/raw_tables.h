// All raw files of a dataset, read into columns.
#pragma once

#include "preprocess/preprocess_options.h"
#include "preprocess/sources/columns.h"
#include "preprocess/sources/row_report.h"

#include <cstdint>
#include <string>
#include <vector>

namespace regatta {

/// Listed edges, one a row; `line` is where each stands.
struct EdgeTable {
  std::string path;
  IdColumn source, destination;
  RawFeatures features;  ///< dense; width 0 = none
  bool has_types = false;
  LabelColumn types;
  std::vector<std::int64_t> line;
};

/// Nodes, one a row, in the order of the file.
struct NodeTable {
  std::string path;
  IdColumn ids;
  bool has_labels = false;
  LabelColumn labels;
  RawFeatures features;
  std::vector<std::int64_t> line;
};

struct LabelTable {
  std::string path;
  IdColumn ids;
  LabelColumn labels;
  std::vector<std::int64_t> line;
};

struct SplitTable {
  std::string path;
  IdColumn ids;
  std::vector<std::uint8_t> split;
  std::vector<std::int64_t> line;
};

/// Tables whose path is "" stay empty.
struct RawTables {
  EdgeTable edges;
  NodeTable nodes;
  LabelTable labels;
  SplitTable splits;
};

/// Reads every table that the options name. Afterwards the ids of all tables are of one kind.
/// Throws Error(kData) with file and line; rows that cannot be read go to `report`.
RawTables read_raw_tables(const PreprocessOptions& options, RowReport& report);

}  // namespace regatta
