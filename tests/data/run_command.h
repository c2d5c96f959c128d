// Runs a program and keeps what it prints.
#pragma once

#include <array>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <sys/wait.h>

namespace regatta::test {

struct CommandResult {
  int code = -1;       ///< exit code, or 128 + signal
  std::string output;  ///< of standard output, and of standard error where the command says 2>&1
};

inline CommandResult run_command(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr)
    throw std::runtime_error("cannot run " + command);
  CommandResult result;
  std::array<char, 4096> buffer{};
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe))
    result.output.append(buffer.data(), got);
  const int status = ::pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

/// Runs tests/oracle/SCRIPT with arguments that need no quoting beyond single quotes.
template <class... Args>
CommandResult run_oracle(const std::string& script, const Args&... arguments) {
  std::string command = std::string("'") + REGATTA_PYTHON + "' -B '" + REGATTA_SOURCE_DIR +
                        "/tests/oracle/" + script + "'";
  ((command += " '" + std::string(arguments) + "'"), ...);
  return run_command(command + " 2>&1");
}

}  // namespace regatta::test
