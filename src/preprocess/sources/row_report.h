// What happens to rows that cannot be used: stop, skip, or list them for the user.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace regatta {

/// Where a row came from, for messages.
struct RowPlace {
  const std::string* path = nullptr;
  std::int64_t line = 0;  ///< 1-based

  std::string text() const;  ///< "edges.csv:17"
};

/// Collects bad rows and rows with unknown nodes by their policy (error | skip | report).
class RowReport {
 public:
  RowReport(std::string bad_rows, std::string unknown_nodes)
      : bad_rows_(std::move(bad_rows)), unknown_nodes_(std::move(unknown_nodes)) {}

  /// Throws Error(kData) "path:line: reason" when the policy is error; else counts and, for report,
  /// lists the row.
  void bad_row(const RowPlace& place, const std::string& reason);
  void unknown_node(const RowPlace& place, const std::string& reason);

  std::int64_t bad_row_count() const { return bad_row_count_; }
  std::int64_t unknown_node_count() const { return unknown_node_count_; }
  bool lists_rows() const { return bad_rows_ == "report" || unknown_nodes_ == "report"; }
  /// "place,reason" rows as CSV, header included.
  std::string table() const;

 private:
  std::string bad_rows_, unknown_nodes_;
  std::int64_t bad_row_count_ = 0, unknown_node_count_ = 0;
  std::string listed_;
};

}  // namespace regatta
