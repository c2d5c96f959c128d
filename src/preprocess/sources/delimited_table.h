// Streaming reader of delimited text (CSV, TSV, blanks), with the line number of every row.
//
// Own code and not a library: exact line numbers of rows whose quoted fields hold line breaks,
// comment lines, and views into the buffer instead of copies are needed at once.
#pragma once

#include "preprocess/sources/line_reader.h"
#include "preprocess/sources/row_report.h"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace regatta {

struct TableFormat {
  std::string path = {};
  std::string format = "auto";  ///< auto | csv | tsv | space
  std::string header = "auto";  ///< auto | yes | no
  std::string comment = {};     ///< "" = no comment lines
};

/// Rows in order. A field may be quoted by '"' as in RFC 4180 (csv and tsv). A row that has not as
/// many fields as the first one, a stray quote, a NUL byte, or bytes that are not UTF-8 goes to the
/// RowReport and is passed over.
class DelimitedTable {
 public:
  /// Opens the file and, for `auto`, looks at its first two rows; a column in `named` that is a
  /// name and not a number means that there is a header. Throws Error(kData).
  DelimitedTable(const TableFormat& format,
                 const std::vector<std::string>& named,
                 RowReport& report);

  const std::string& path() const { return lines_.path(); }
  const std::vector<std::string>& header() const { return header_; }  ///< empty without one
  std::size_t columns() const { return columns_; }                    ///< 0 for an empty table

  /// Index of the column `which` (a name of the header, or a number from 1); `fallback` when it is
  /// "". Throws Error(kData) naming `option`, the path and the columns there are.
  std::size_t column(const std::string& which, std::size_t fallback, const char* option) const;

  /// The next row; its views live until the next call. False at the end.
  bool next();
  const std::vector<std::string_view>& fields() const { return fields_; }
  RowPlace place() const { return {&lines_.path(), row_line_}; }

 private:
  struct Record {
    std::string text;
    std::int64_t line;
  };
  void look_ahead(const TableFormat& format, bool named_columns);
  bool open_quote(std::string_view text, bool open) const;
  bool read_record(std::string_view& text);
  bool next_record(std::string_view& text);
  const char* split(std::string_view record);
  const char* split_quoted(std::string_view record);
  const char* take_quoted(std::string_view record, std::size_t& at);
  void split_blanks(std::string_view record);

  LineReader lines_;
  RowReport& report_;
  char delimiter_ = ',';  ///< ' ' = runs of blanks
  std::vector<std::string> header_;
  std::size_t columns_ = 0;
  std::deque<Record> pending_;  ///< rows looked at ahead
  std::string pending_text_;
  std::int64_t row_line_ = 0;
  std::vector<std::string_view> fields_;
  std::deque<std::string> unquoted_;  ///< a deque: views into it survive growth
};

}  // namespace regatta
