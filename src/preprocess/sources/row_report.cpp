#include "preprocess/sources/row_report.h"

#include "core/error.h"

namespace regatta {
namespace {

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) result += c == '"' ? std::string("\"\"") : std::string(1, c);
  return result + "\"";
}

}  // namespace

std::string RowPlace::text() const {
  return fmt::format("{}:{}", *path, line);
}

void RowReport::bad_row(const RowPlace& place, const std::string& reason) {
  if (bad_rows_ == "error") {
    fail(ExitCode::kData,
         "{}: {}; correct the row, or set clean.bad_rows: skip or report",
         place.text(),
         reason);
  }
  ++bad_row_count_;
  if (bad_rows_ == "report")
    listed_ += quoted(place.text()) + "," + quoted(reason) + "\n";
}

void RowReport::unknown_node(const RowPlace& place, const std::string& reason) {
  if (unknown_nodes_ == "error") {
    fail(ExitCode::kData,
         "{}: {}; correct the row, or set clean.unknown_nodes: skip or report",
         place.text(),
         reason);
  }
  ++unknown_node_count_;
  if (unknown_nodes_ == "report")
    listed_ += quoted(place.text()) + "," + quoted(reason) + "\n";
}

std::string RowReport::table() const {
  return "place,reason\n" + listed_;
}

}  // namespace regatta
