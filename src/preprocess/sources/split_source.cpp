#include "preprocess/sources/split_source.h"

#include "core/error.h"
#include "preprocess/sources/delimited_table.h"

#include <optional>
#include <utility>

namespace regatta {
namespace {

std::optional<std::uint8_t> split_number(std::string_view name) {
  static constexpr std::pair<std::string_view, std::uint8_t> kSplits[] = {
      {"train", 1}, {"val", 2}, {"valid", 2}, {"validation", 2}, {"test", 3}, {"none", 0}, {"", 0}};
  for (const auto& [known, number] : kSplits) {
    if (name == known)
      return number;
  }
  return std::nullopt;
}

}  // namespace

LabelTable read_label_table(const LabelTableOptions& options,
                            const std::string& ids,
                            RowReport& report) {
  DelimitedTable rows(
      {options.path, options.format, options.header, "#"}, {options.id, options.label}, report);
  const std::size_t id_column = rows.column(options.id, 0, "labels.id");
  const std::size_t label_column = rows.column(options.label, 1, "labels.label");
  LabelTable table;
  table.path = options.path;
  table.ids = IdColumn(ids);
  while (rows.next()) {
    const std::string_view id = trimmed(rows.fields()[id_column]);
    if (!table.ids.push(id)) {
      report.bad_row(rows.place(), id_fault("node", id));
      continue;
    }
    table.labels.push(trimmed(rows.fields()[label_column]));
    table.line.push_back(rows.place().line);
  }
  return table;
}

SplitTable read_split_table(const SplitOptions& options,
                            const std::string& ids,
                            RowReport& report) {
  DelimitedTable rows(
      {options.path, options.format, options.header, "#"}, {options.node, options.split}, report);
  const std::size_t id_column = rows.column(options.node, 0, "splits.node");
  const std::size_t split_column = rows.column(options.split, 1, "splits.split");
  SplitTable table;
  table.path = options.path;
  table.ids = IdColumn(ids);
  while (rows.next()) {
    const std::string_view id = trimmed(rows.fields()[id_column]);
    const std::string_view name = trimmed(rows.fields()[split_column]);
    const auto split = split_number(name);
    if (!split) {
      report.bad_row(rows.place(),
                     fmt::format("split '{}' is unknown, expected train, val, test or none", name));
      continue;
    }
    if (!table.ids.push(id)) {
      report.bad_row(rows.place(), id_fault("node", id));
      continue;
    }
    table.split.push_back(*split);
    table.line.push_back(rows.place().line);
  }
  return table;
}

}  // namespace regatta
