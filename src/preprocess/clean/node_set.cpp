#include "preprocess/clean/node_set.h"

#include "core/error.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace regatta {
namespace {

constexpr std::int64_t kMostNodes = std::numeric_limits<std::int32_t>::max();

void check_node_count(std::size_t nodes) {
  if (nodes == 0) {
    fail(ExitCode::kData, "the raw files name no node at all; check edges.path and nodes.path");
  }
  if (nodes > static_cast<std::size_t>(kMostNodes)) {
    fail(ExitCode::kData, "the raw files name {} nodes, expected fewer than 2^31", nodes);
  }
}

/// Ids are mostly consecutive: a table over their range is then far faster than hashing or sorting.
bool is_narrow(std::int64_t smallest, std::int64_t largest, std::size_t count) {
  const auto range = static_cast<std::uint64_t>(largest) - static_cast<std::uint64_t>(smallest);
  return range < 8 * count + 1024;
}

std::vector<std::int64_t> sorted_unique_integers(const std::vector<const IdColumn*>& columns) {
  std::vector<std::int64_t> all;
  for (const IdColumn* column : columns) {
    all.insert(all.end(), column->integers().begin(), column->integers().end());
  }
  if (all.empty())
    return all;
  const auto [low, high] = std::minmax_element(all.begin(), all.end());
  const std::int64_t smallest = *low;
  if (!is_narrow(smallest, *high, all.size())) {
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }
  std::vector<bool> present(static_cast<std::size_t>(*high - smallest) + 1, false);
  for (const std::int64_t id : all) present[static_cast<std::size_t>(id - smallest)] = true;
  all.clear();
  for (std::size_t i = 0; i < present.size(); ++i) {
    if (present[i])
      all.push_back(smallest + static_cast<std::int64_t>(i));
  }
  return all;
}

IdColumn sorted_unique(const std::vector<const IdColumn*>& columns, bool text) {
  IdColumn result(text ? "text" : "integer");
  if (text) {
    std::vector<std::string_view> all;
    for (const IdColumn* column : columns) {
      for (std::size_t i = 0; i < column->size(); ++i) all.push_back(column->text(i));
    }
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    for (const std::string_view id : all) result.push(id);
    return result;
  }
  return IdColumn::of_integers(sorted_unique_integers(columns));
}

NodeSet nodes_of_table(const NodeTable& table, RowReport& report) {
  NodeSet nodes;
  std::vector<std::int64_t> repeated;
  const NodeIndex index(table.ids, &repeated);
  std::vector<bool> drop(table.ids.size(), false);
  for (const std::int64_t row : repeated) {
    const auto i = static_cast<std::size_t>(row);
    report.bad_row({&table.path, table.line[i]},
                   fmt::format("node id {} was already given in line {}",
                               table.ids.shown(i),
                               table.line[static_cast<std::size_t>(index.find(table.ids, i))]));
    drop[i] = true;
  }
  for (std::size_t row = 0; row < table.ids.size(); ++row) {
    if (!drop[row])
      nodes.table_row.push_back(static_cast<std::int64_t>(row));
  }
  nodes.ids = table.ids.select(nodes.table_row);
  return nodes;
}

}  // namespace

NodeIndex::NodeIndex(const IdColumn& ids, std::vector<std::int64_t>* repeated)
    : is_text_(ids.is_text()) {
  const std::size_t count = ids.size();
  std::int64_t largest = 0;
  if (!is_text_ && count > 0) {
    const auto [low, high] = std::minmax_element(ids.integers().begin(), ids.integers().end());
    smallest_ = *low;
    largest = *high;
  }
  // Ids are mostly consecutive; a table is then far faster than hashing.
  const auto range = static_cast<std::uint64_t>(largest) - static_cast<std::uint64_t>(smallest_);
  if (!is_text_ && range < 8 * count + 1024)
    direct_.assign(range + 1, -1);
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = static_cast<std::int32_t>(i);
    bool added = true;
    if (is_text_) {
      added = texts_.try_emplace(ids.text(i), number).second;
    } else if (!direct_.empty()) {
      std::int32_t& slot = direct_[static_cast<std::size_t>(ids.integer(i) - smallest_)];
      added = slot < 0;
      if (added)
        slot = number;
    } else {
      added = integers_.try_emplace(ids.integer(i), number).second;
    }
    if (!added && repeated != nullptr)
      repeated->push_back(number);
  }
}

std::int32_t NodeIndex::find(const IdColumn& column, std::size_t i) const {
  if (is_text_) {
    const auto found = texts_.find(column.text(i));
    return found == texts_.end() ? -1 : found->second;
  }
  const std::int64_t id = column.integer(i);
  if (!direct_.empty()) {
    const auto offset = static_cast<std::uint64_t>(id) - static_cast<std::uint64_t>(smallest_);
    return offset < direct_.size() ? direct_[offset] : -1;
  }
  const auto found = integers_.find(id);
  return found == integers_.end() ? -1 : found->second;
}

NodeSet choose_nodes(const RawTables& tables, const PreprocessOptions& options, RowReport& report) {
  NodeSet nodes;
  const bool text = tables.edges.source.is_text();
  if (!options.nodes.path.empty()) {
    check_node_count(tables.nodes.ids.size());
    nodes = nodes_of_table(tables.nodes, report);
  } else if (options.num_nodes > 0) {
    if (text) {
      fail(ExitCode::kUsage,
           "num_nodes is {}, but node ids are text; leave num_nodes out, or set ids: integer",
           options.num_nodes);
    }
    std::vector<std::int64_t> all(static_cast<std::size_t>(options.num_nodes));
    std::iota(all.begin(), all.end(), std::int64_t{0});
    nodes.ids = IdColumn::of_integers(std::move(all));
  } else {
    nodes.ids =
        sorted_unique({&tables.edges.source, &tables.edges.destination, &tables.labels.ids}, text);
  }
  check_node_count(nodes.ids.size());
  return nodes;
}

}  // namespace regatta
