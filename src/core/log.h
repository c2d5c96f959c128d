// Program output and log lines. Standard output carries results, standard error carries the log.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

namespace regatta::log {

/// Rank of this process; info lines and results come from rank 0 only, warnings from every rank
/// carry its number when the world is larger than one.
void set_rank(int rank, int world_size);

void info_text(const std::string& text);
void warn_text(const std::string& text);
void error_text(const std::string& text);
/// One line on standard output, from rank 0 only.
void result_text(const std::string& text);

template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  info_text(fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  warn_text(fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  error_text(fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void result(fmt::format_string<Args...> format, Args&&... args) {
  result_text(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace regatta::log
