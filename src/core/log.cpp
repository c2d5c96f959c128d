#include "core/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>

namespace regatta::log {
namespace {

int rank_of_process = 0;
int ranks_in_world = 1;

spdlog::logger& logger() {
  static const auto instance = [] {
    auto created = spdlog::stderr_logger_mt("regatta");
    created->set_pattern("%v");
    return created;
  }();
  return *instance;
}

std::string with_rank(const char* level, const std::string& text) {
  return ranks_in_world > 1 ? fmt::format("{}: rank {}: {}", level, rank_of_process, text)
                            : fmt::format("{}: {}", level, text);
}

}  // namespace

void set_rank(int rank, int world_size) {
  rank_of_process = rank;
  ranks_in_world = world_size;
}

void info_text(const std::string& text) {
  if (rank_of_process == 0)
    logger().info(text);
}
void warn_text(const std::string& text) {
  logger().warn(with_rank("warning", text));
}
void error_text(const std::string& text) {
  logger().error(with_rank("error", text));
}

void result_text(const std::string& text) {
  if (rank_of_process != 0)
    return;
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

}  // namespace regatta::log
