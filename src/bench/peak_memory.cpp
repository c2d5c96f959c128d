#include "bench/peak_memory.h"

#include "core/error.h"

#include <nlohmann/json.hpp>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <malloc.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace regatta {
namespace {

/// A value of /proc/self/status in bytes; 0 where it is not there.
std::int64_t status_bytes(const std::string& key) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(key + ":"))
      return std::stoll(line.substr(key.size() + 1)) * 1024;
  return 0;
}

std::string read_all(int file) {
  std::string text;
  std::array<char, 4096> buffer;
  for (ssize_t count; (count = read(file, buffer.data(), buffer.size())) != 0;) {
    if (count < 0 && errno != EINTR)
      fail(ExitCode::kInternal, "reading from a child process: {}", std::strerror(errno));
    if (count > 0)
      text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return text;
}

void write_all(int file, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t count = write(file, text.data() + done, text.size() - done);
    if (count < 0 && errno != EINTR)
      return;
    done += count > 0 ? static_cast<std::size_t>(count) : 0;
  }
}

[[noreturn]] void run_child(int file, const std::function<nlohmann::ordered_json()>& body) {
  nlohmann::ordered_json answer;
  try {
    answer["value"] = body();
  } catch (const std::exception& error) {
    answer["error"] = error.what();
  }
  write_all(file, answer.dump());
  _exit(0);
}

}  // namespace

PeakMemory::PeakMemory() {
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";
  before_ = status_bytes("VmRSS");
}

nlohmann::ordered_json PeakMemory::report() const {
  const std::int64_t after = status_bytes("VmRSS");
  const std::int64_t peak = status_bytes("VmHWM");
  return {{"resident_before", before_},
          {"resident_after", after},
          {"resident_peak", peak},
          {"step_peak", peak - before_}};
}

nlohmann::ordered_json in_child_process(const std::function<nlohmann::ordered_json()>& body) {
  std::array<int, 2> ends;
  if (pipe(ends.data()) != 0)
    fail(ExitCode::kInternal, "pipe: {}", std::strerror(errno));
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0)
    fail(ExitCode::kInternal, "fork: {}", std::strerror(errno));
  if (child == 0) {
    close(ends[0]);
    run_child(ends[1], body);
  }
  close(ends[1]);
  const std::string text = read_all(ends[0]);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  const auto answer = nlohmann::ordered_json::parse(text, nullptr, false);
  if (answer.is_discarded())
    fail(ExitCode::kInternal,
         "a child process ended with signal {} (9 may be for want of memory)",
         WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  if (answer.contains("error"))
    fail(ExitCode::kInternal, "in a child process: {}", answer["error"].get<std::string>());
  return answer["value"];
}

}  // namespace regatta
