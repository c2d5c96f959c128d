// Which nodes a dataset has and what number each one gets.
#pragma once

#include "preprocess/sources/raw_tables.h"

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace regatta {

/// From the user's ids to node numbers.
class NodeIndex {
 public:
  /// Numbers the ids by their position; of repeated ids the first counts. `repeated` gets the
  /// positions of the others.
  NodeIndex(const IdColumn& ids, std::vector<std::int64_t>* repeated = nullptr);

  /// Number of the node that entry `i` of `column` (of the same kind of ids) names, or -1.
  std::int32_t find(const IdColumn& column, std::size_t i) const;

 private:
  bool is_text_;
  std::int64_t smallest_ = 0;
  std::vector<std::int32_t> direct_;  ///< integer ids in a narrow range: number of id smallest_ + i
  std::unordered_map<std::int64_t, std::int32_t> integers_;
  std::unordered_map<std::string_view, std::int32_t> texts_;
};

/// Nodes in the order of their numbers.
struct NodeSet {
  IdColumn ids;
  std::vector<std::int64_t> table_row;  ///< row of the node table; empty without one
};

/// With a node table: its rows in order (a repeated id is a bad row). Without: 0..num_nodes-1 where
/// options.num_nodes is set, else the sorted ids of edges and labels. Throws Error(kData) when
/// there is no node, Error(kUsage) for num_nodes with text ids.
NodeSet choose_nodes(const RawTables& tables, const PreprocessOptions& options, RowReport& report);

}  // namespace regatta
