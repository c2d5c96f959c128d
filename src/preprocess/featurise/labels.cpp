#include "core/error.h"
#include "preprocess/featurise/targets.h"

#include <algorithm>
#include <map>

namespace regatta {
namespace {

/// One label of a node: which column it is from, and its code there.
struct FoundLabel {
  const LabelColumn* column = nullptr;
  std::int32_t code = -1;
  const std::string* path = nullptr;
  std::int64_t line = 0;
};

std::vector<FoundLabel> find_labels(const RawTables& tables,
                                    const NodeSet& nodes,
                                    RowReport& report) {
  std::vector<FoundLabel> found(nodes.ids.size());
  if (tables.nodes.has_labels) {
    for (std::size_t node = 0; node < nodes.table_row.size(); ++node) {
      const auto row = static_cast<std::size_t>(nodes.table_row[node]);
      found[node] = {&tables.nodes.labels,
                     tables.nodes.labels.code[row],
                     &tables.nodes.path,
                     tables.nodes.line[row]};
    }
  }
  const LabelTable& extra = tables.labels;
  const NodeIndex index(nodes.ids);
  std::vector<std::int64_t> given_in(nodes.ids.size(), 0);
  for (std::size_t row = 0; row < extra.line.size(); ++row) {
    const RowPlace place{&extra.path, extra.line[row]};
    const std::int32_t node = index.find(extra.ids, row);
    if (node < 0) {
      report.unknown_node(
          place,
          fmt::format("the label is for node {}, which does not exist", extra.ids.shown(row)));
    } else if (given_in[node] != 0) {
      report.bad_row(place,
                     fmt::format("node {} was already given a label in line {}",
                                 extra.ids.shown(row),
                                 given_in[node]));
    } else {
      given_in[node] = extra.line[row];
      found[node] = {&extra.labels, extra.labels.code[row], &extra.path, extra.line[row]};
    }
  }
  return found;
}

std::vector<std::string> classes_of(const std::vector<FoundLabel>& labels) {
  std::vector<std::string> names;
  std::map<const LabelColumn*, std::vector<bool>> used;
  for (const FoundLabel& label : labels) {
    if (label.code < 0)
      continue;
    auto& seen = used[label.column];
    seen.resize(label.column->names.size(), false);
    if (!seen[label.code])
      names.push_back(label.column->names[label.code]);
    seen[label.code] = true;
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  sort_names(names);
  return names;
}

}  // namespace

NodeLabels collect_labels(const RawTables& tables,
                          const NodeSet& nodes,
                          const std::vector<std::string>& known_classes,
                          RowReport& report) {
  NodeLabels result;
  const std::vector<FoundLabel> found = find_labels(tables, nodes, report);
  const std::vector<std::string> seen = classes_of(found);
  result.present = !seen.empty();
  result.classes = known_classes.empty() ? seen : known_classes;
  std::map<std::string, std::int64_t> number;
  for (std::size_t i = 0; i < result.classes.size(); ++i) {
    number.emplace(result.classes[i], static_cast<std::int64_t>(i));
  }
  result.value.assign(found.size(), -1);
  for (std::size_t node = 0; node < found.size(); ++node) {
    if (found[node].code < 0)
      continue;
    const std::string& name = found[node].column->names[found[node].code];
    const auto known = number.find(name);
    if (known == number.end()) {
      fail(ExitCode::kData,
           "{}:{}: class '{}' is not one of features.fit_from, which has {}",
           *found[node].path,
           found[node].line,
           name,
           fmt::join(known_classes, ", "));
    }
    result.value[node] = known->second;
  }
  return result;
}

}  // namespace regatta
