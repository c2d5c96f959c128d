// Source `svmlight`: "label index:value index:value ... # comment"; the number of the row is the
// node's id.
#include "core/error.h"
#include "preprocess/sources/line_reader.h"
#include "preprocess/sources/node_source.h"

#include <cmath>
#include <limits>

namespace regatta {
namespace {

constexpr std::int64_t kWidest = std::numeric_limits<std::int32_t>::max();

std::string_view next_word(std::string_view& line) {
  line = trimmed(line);
  const std::string_view word = line.substr(0, line.find_first_of(" \t"));
  line.remove_prefix(word.size());
  return word;
}

/// Appends one row's features; on a fault takes them back and says why.
class SvmlightRows {
 public:
  SvmlightRows(const NodeTableOptions& options, RawFeatures& features)
      : first_(options.first_index), limit_(options.num_features), features_(features) {}

  std::string push(std::string_view line) {
    const std::size_t before = features_.index.size();
    std::string fault;
    for (auto word = next_word(line); !word.empty() && fault.empty(); word = next_word(line)) {
      fault = push_entry(word, before);
    }
    if (fault.empty()) {
      features_.indptr.push_back(static_cast<std::int64_t>(features_.index.size()));
    } else {
      features_.index.resize(before);
      features_.value.resize(before);
    }
    return fault;
  }

 private:
  std::string push_entry(std::string_view word, std::size_t row_begin) {
    const std::size_t colon = word.find(':');
    if (colon == std::string_view::npos)
      return fmt::format("'{}' is not index:value", word);
    const auto index = any_integer(word.substr(0, colon));
    const auto value = any_real(word.substr(colon + 1));
    if (!index || !value)
      return fmt::format("'{}' is not index:value with two numbers", word);
    const std::int64_t last = limit_ > 0 ? limit_ - 1 + first_ : kWidest - 1;
    if (*index < first_ || *index > last) {
      return fmt::format("feature index {} is outside [{}, {}]{}",
                         *index,
                         first_,
                         last,
                         *index == 0 ? "; set nodes.first_index: 0 if indices start at 0" : "");
    }
    const auto column = static_cast<std::int32_t>(*index - first_);
    if (features_.index.size() > row_begin && features_.index.back() >= column) {
      return fmt::format("feature index {} follows {}, expected ascending indices without repeats",
                         *index,
                         features_.index.back() + first_);
    }
    const auto stored = static_cast<float>(*value);
    if (std::isinf(stored))
      return fmt::format("'{}' is infinite as a 32-bit number", word);
    features_.index.push_back(column);
    features_.value.push_back(stored);
    return {};
  }

  std::int64_t first_, limit_;
  RawFeatures& features_;
};

// Splits the label off; a row may begin with its features.
std::string_view take_label(std::string_view& line) {
  std::string_view rest = line;
  const std::string_view word = next_word(rest);
  if (line.starts_with(' ') || line.starts_with('\t'))
    return {};
  if (word.find(':') != std::string_view::npos)
    return {};
  line = rest;
  return word;
}

std::string label_fault(std::string_view label) {
  if (!is_utf8(label) || label.find('\0') != std::string_view::npos)
    return "the label is not UTF-8 text";
  if (label.find(',') != std::string_view::npos) {
    return fmt::format("'{}' are several labels, expected one", label);
  }
  return {};
}

}  // namespace

NodeTable read_svmlight(const NodeTableOptions& options,
                        const std::string& ids,
                        RowReport& report) {
  NodeTable table;
  table.path = options.path;
  table.ids = IdColumn(ids);
  table.has_labels = true;
  table.features.sparse = true;
  SvmlightRows rows(options, table.features);
  LineReader lines(options.path, options.comment);
  std::string_view line;
  for (std::int64_t row = 0; lines.next(line); ++row) {
    line = line.substr(0, line.find('#'));
    const std::string_view label = take_label(line);
    std::string fault = label_fault(label);
    if (fault.empty())
      fault = rows.push(line);
    if (!fault.empty()) {
      report.bad_row({&table.path, lines.number()}, fault);
      continue;
    }
    table.ids.push(std::to_string(row));
    table.labels.push(label);
    table.line.push_back(lines.number());
  }
  std::int64_t width = options.num_features;
  for (const std::int32_t index : table.features.index)
    width = std::max<std::int64_t>(width, index + 1);
  table.features.width = width;
  return table;
}

}  // namespace regatta
