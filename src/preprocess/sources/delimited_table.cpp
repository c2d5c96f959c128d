#include "preprocess/sources/delimited_table.h"

#include "core/error.h"
#include "core/options.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace regatta {
namespace {

constexpr std::size_t kLongestQuoted = std::size_t{1} << 16;

bool is_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && end == text.data() + text.size() && error != std::errc::invalid_argument;
}

bool is_column_number(const std::string& which) {
  return !which.empty() && which.find_first_not_of("0123456789") == std::string::npos;
}

// Words that tables of edges, nodes, labels and splits use to name their columns.
bool is_usual_name(std::string_view text) {
  static constexpr std::string_view kUsual[] = {
      "src",  "source", "dst",   "dest",  "destination", "target",  "from",
      "to",   "u",      "v",     "node",  "id",          "node_id", "nodeid",
      "name", "label",  "class", "split", "set",         "weight",  "type"};
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return std::find(std::begin(kUsual), std::end(kUsual), lower) != std::end(kUsual);
}

bool looks_like_header(const std::vector<std::string>& first,
                       const std::vector<std::string>& second) {
  for (const std::string& field : first) {
    if (is_number(field))
      return false;
  }
  for (std::size_t i = 0; i < std::min(first.size(), second.size()); ++i) {
    if (is_number(second[i]))
      return true;
  }
  return std::all_of(first.begin(), first.end(), [](const auto& f) { return is_usual_name(f); });
}

char delimiter_of(const TableFormat& format, std::string_view first_row) {
  if (format.format == "csv")
    return ',';
  if (format.format == "tsv")
    return '\t';
  if (format.format == "space")
    return ' ';
  for (const char candidate : {'\t', ',', ' '}) {
    if (first_row.find(candidate) != std::string_view::npos)
      return candidate;
  }
  return ',';
}

}  // namespace

DelimitedTable::DelimitedTable(const TableFormat& format,
                               const std::vector<std::string>& named,
                               RowReport& report)
    : lines_(format.path, format.comment), report_(report) {
  const bool named_columns = std::any_of(named.begin(), named.end(), [](const std::string& which) {
    return !which.empty() && !is_column_number(which);
  });
  look_ahead(format, named_columns);
}

void DelimitedTable::look_ahead(const TableFormat& format, bool named_columns) {
  std::vector<std::string> rows[2];
  std::string_view text;
  for (int row = 0; row < 2 && read_record(text); ++row) {
    if (row == 0)
      delimiter_ = delimiter_of(format, text);
    pending_.push_back({std::string(text), row_line_});
    if (split(text) == nullptr)
      rows[row].assign(fields_.begin(), fields_.end());
  }
  columns_ = rows[0].size();
  if (pending_.empty() || format.header == "no")
    return;
  if (format.header == "auto" && !named_columns && !looks_like_header(rows[0], rows[1]))
    return;
  if (rows[0].empty() || !is_utf8(pending_.front().text)) {
    fail(ExitCode::kData,
         "{}:{}: the header cannot be read: unbalanced quotes or bytes that are not UTF-8",
         path(),
         pending_.front().line);
  }
  header_ = rows[0];
  pending_.pop_front();
}

std::size_t DelimitedTable::column(const std::string& which,
                                   std::size_t fallback,
                                   const char* option) const {
  std::size_t index = fallback;
  if (is_column_number(which)) {
    const auto [end, error] = std::from_chars(which.data(), which.data() + which.size(), index);
    // "0" wraps to a column that does not exist, as does a number beyond 64 bits.
    index = error == std::errc{} ? index - 1 : columns_;
  } else if (!which.empty()) {
    const auto found = std::find(header_.begin(), header_.end(), which);
    if (found == header_.end()) {
      const std::string near = nearest_name(which, header_);
      fail(ExitCode::kData,
           "{}: {} is '{}', but the columns are {}{}",
           path(),
           option,
           which,
           fmt::join(header_, ", "),
           near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
    }
    index = static_cast<std::size_t>(found - header_.begin());
  }
  if (columns_ > 0 && index >= columns_) {
    fail(ExitCode::kData,
         "{}: {} is column {}, but the first row has {} column(s)",
         path(),
         option,
         which.empty() ? std::to_string(index + 1) : which,
         columns_);
  }
  return index;
}

// Whether a quoted field is open after `text`, given whether one was before it.
bool DelimitedTable::open_quote(std::string_view text, bool open) const {
  bool field_starts = !open;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (open) {
      if (text[i] != '"')
        continue;
      const bool doubled = i + 1 < text.size() && text[i + 1] == '"';
      open = doubled;
      i += doubled ? 1 : 0;
    } else {
      open = field_starts && text[i] == '"';
      field_starts = text[i] == delimiter_;
    }
  }
  return open;
}

// One row as text: a line, or several where a quoted field holds line breaks.
bool DelimitedTable::read_record(std::string_view& text) {
  if (!lines_.next(text))
    return false;
  row_line_ = lines_.number();
  if (delimiter_ == ' ' || std::memchr(text.data(), '"', text.size()) == nullptr)
    return true;
  bool open = open_quote(text, false);
  while (open) {
    const std::size_t old_size = text.size();
    if (old_size > kLongestQuoted || !lines_.join_following(text)) {
      lines_.separate(text);  // a quote that never closes spoils its own line only
      return true;
    }
    open = open_quote(text.substr(old_size), true);
  }
  return true;
}

bool DelimitedTable::next_record(std::string_view& text) {
  if (pending_.empty())
    return read_record(text);
  pending_text_ = std::move(pending_.front().text);
  row_line_ = pending_.front().line;
  pending_.pop_front();
  text = pending_text_;
  return true;
}

bool DelimitedTable::next() {
  std::string_view text;
  while (next_record(text)) {
    if (const char* reason = split(text)) {
      report_.bad_row(place(), reason);
    } else if (fields_.size() != columns_) {
      if (columns_ == 0)
        columns_ = fields_.size();  // the first row was a bad one
      if (fields_.size() == columns_)
        return true;
      report_.bad_row(place(),
                      fmt::format("the row has {} column(s), expected {} as in the first row",
                                  fields_.size(),
                                  columns_));
    } else {
      return true;
    }
  }
  return false;
}

// Fills fields_; returns the reason when the row cannot be split.
const char* DelimitedTable::split(std::string_view record) {
  fields_.clear();
  if (std::memchr(record.data(), '\0', record.size()) != nullptr) {
    return "the row holds a NUL byte; is this a text file?";
  }
  if (!is_utf8(record))
    return "the row is not UTF-8";
  if (delimiter_ == ' ') {
    split_blanks(record);
    return nullptr;
  }
  if (std::memchr(record.data(), '"', record.size()) != nullptr)
    return split_quoted(record);
  for (;;) {
    const std::size_t end = record.find(delimiter_);
    fields_.push_back(record.substr(0, end));
    if (end == std::string_view::npos)
      return nullptr;
    record.remove_prefix(end + 1);
  }
}

void DelimitedTable::split_blanks(std::string_view record) {
  constexpr std::string_view kBlanks = " \t";
  for (std::size_t at = record.find_first_not_of(kBlanks); at != std::string_view::npos;) {
    const std::size_t end = std::min(record.find_first_of(kBlanks, at), record.size());
    fields_.push_back(record.substr(at, end - at));
    at = record.find_first_not_of(kBlanks, end);
  }
}

const char* DelimitedTable::take_quoted(std::string_view record, std::size_t& at) {
  std::string& field = unquoted_.emplace_back();
  for (++at; at < record.size(); ++at) {
    if (record[at] != '"') {
      field += record[at];
    } else if (at + 1 < record.size() && record[at + 1] == '"') {
      field += '"';
      ++at;
    } else {
      ++at;
      if (at < record.size() && record[at] != delimiter_)
        return "text follows a closing quote";
      fields_.push_back(field);
      return nullptr;
    }
  }
  return "a quote is opened and not closed";
}

const char* DelimitedTable::split_quoted(std::string_view record) {
  unquoted_.clear();
  for (std::size_t at = 0; at <= record.size(); ++at) {
    if (at < record.size() && record[at] == '"') {
      if (const char* reason = take_quoted(record, at))
        return reason;
      continue;
    }
    const std::size_t end = std::min(record.find(delimiter_, at), record.size());
    const std::string_view field = record.substr(at, end - at);
    if (field.find('"') != std::string_view::npos)
      return "a quote stands inside an unquoted field";
    fields_.push_back(field);
    at = end;
  }
  return nullptr;
}

}  // namespace regatta
