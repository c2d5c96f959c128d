// Lines of a text file with their numbers, as views into a buffer; comment lines and empty lines
// are passed over.
#pragma once

#include "preprocess/sources/byte_stream.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace regatta {

/// Lines end in LF or CRLF; the line end is not part of a line. A UTF-8 byte order mark is dropped.
class LineReader {
 public:
  /// Lines that begin with `comment` are passed over; "" = none are.
  LineReader(const std::string& path, std::string comment);

  /// The next line; the view lives until the next call. False at the end of the file.
  bool next(std::string_view& line);
  /// Joins the line after `line` (the latest of next()) to it, for quoted fields with line breaks.
  /// False at the end.
  bool join_following(std::string_view& line);
  /// Takes all joins back: `line` is the first line again, and next() goes on behind it.
  void separate(std::string_view& line);

  std::int64_t number() const { return number_; }  ///< of the latest line, 1-based
  const std::string& path() const { return stream_.path(); }

 private:
  bool find_line_end();
  std::string_view record();

  ByteStream stream_;
  std::string comment_;
  std::string buffer_;
  std::size_t begin_ = 0;                       ///< of the latest record
  std::size_t next_ = 0;                        ///< behind its line end
  std::size_t end_ = 0;                         ///< of the bytes in the buffer
  std::size_t line_end_ = 0;                    ///< where the latest record stops
  std::size_t first_end_ = 0, first_next_ = 0;  ///< of the first line, counted from begin_
  bool at_end_ = false;
  std::int64_t number_ = 0, last_number_ = 0;
};

/// True for well-formed UTF-8 without overlong forms and surrogates.
bool is_utf8(std::string_view text);

}  // namespace regatta
