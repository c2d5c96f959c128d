// What is wrong with a chunk: thrown at once when reading, collected by `regatta verify`.
#pragma once

#include "core/error.h"

#include <fmt/format.h>

#include <functional>
#include <string>
#include <utility>

namespace regatta {

/// Turns a fault into "FILE: OBJECT: found ..., expected ...; remedy". Without `report` a fault
/// throws Error(kData); with it the fault is handed over and the check goes on.
class ChunkFaults {
 public:
  using Report = std::function<void(const std::string& fault)>;

  ChunkFaults(std::string path, Report report)
      : path_(std::move(path)), report_(std::move(report)) {}

  template <class... Args>
  void add(const std::string& object, fmt::format_string<Args...> format, Args&&... args) {
    add_text(object, fmt::format(format, std::forward<Args>(args)...), kDamaged);
  }
  /// The same with a remedy of its own.
  void add_text(const std::string& object, const std::string& what, const char* remedy) {
    pass_on(path_ + ": " + (object.empty() ? "" : object + ": ") + what + "; " + remedy);
  }
  /// A message that names the place already.
  void pass_on(const std::string& message) {
    ++count_;
    if (!report_)
      throw Error(ExitCode::kData, message);
    report_(message);
  }

  int count() const { return count_; }
  const std::string& path() const { return path_; }
  bool collecting() const { return static_cast<bool>(report_); }

  static constexpr const char* kDamaged =
      "the file is damaged or does not follow docs/chunk_format.md: copy it again or preprocess "
      "again";

 private:
  std::string path_;
  Report report_;
  int count_ = 0;
};

}  // namespace regatta
