#include "preprocess/sources/node_source.h"

#include "core/error.h"
#include "preprocess/sources/line_reader.h"

#include <algorithm>

namespace regatta {
namespace {

struct NodeSource {
  const char* name;
  NodeTable (*read)(const NodeTableOptions&, const std::string&, RowReport&);
};
constexpr NodeSource kNodeSources[] = {
    {"svmlight", &read_svmlight}, {"csv", &read_delimited_nodes}, {"tsv", &read_delimited_nodes}};

// svmlight by its file name, or by a first row whose second word is "number:...".
bool is_svmlight(const NodeTableOptions& options) {
  if (options.path.find(".svmlight") != std::string::npos ||
      options.path.find(".libsvm") != std::string::npos) {
    return true;
  }
  LineReader lines(options.path, options.comment);
  std::string_view line;
  if (!lines.next(line))
    return false;
  const std::size_t blank = line.find(' ');
  const std::size_t colon = line.find(':');
  if (blank == std::string_view::npos || colon == std::string_view::npos || colon < blank + 2) {
    return false;
  }
  return any_integer(line.substr(blank + 1, colon - blank - 1)).has_value();
}

}  // namespace

NodeTable read_node_table(const NodeTableOptions& options,
                          const std::string& ids,
                          RowReport& report) {
  NodeTableOptions chosen = options;
  if (chosen.format == "auto" && is_svmlight(options))
    chosen.format = "svmlight";
  for (const NodeSource& source : kNodeSources) {
    if (chosen.format == source.name)
      return source.read(chosen, ids, report);
  }
  return read_delimited_nodes(
      chosen, ids, report);  // auto: the separator is looked up in the first row
}

}  // namespace regatta
