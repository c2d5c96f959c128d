#include "cli/slurm_time_limit.h"

#include "core/log.h"

#include <array>
#include <charconv>
#include <chrono>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

extern char** environ;

namespace regatta {
namespace {

constexpr std::chrono::seconds kPause{10};

std::optional<std::int64_t> number(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value < 0)
    return std::nullopt;
  return value;
}

/// Standard output of a program with these arguments, no shell between; empty when it cannot start.
std::optional<std::string> output_of(const std::vector<std::string>& command) {
  std::array<int, 2> pipe_ends{};
  if (pipe(pipe_ends.data()) != 0)
    return std::nullopt;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, pipe_ends[0]);
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.data()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int fault =
      posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_ends[1]);
  std::string text;
  std::array<char, 256> buffer{};
  for (ssize_t got = 0;
       fault == 0 && (got = read(pipe_ends[0], buffer.data(), buffer.size())) > 0;)
    text.append(buffer.data(), static_cast<std::size_t>(got));
  close(pipe_ends[0]);
  if (fault != 0)
    return std::nullopt;
  waitpid(child, nullptr, 0);
  return text;
}

}  // namespace

std::optional<std::int64_t> seconds_of_slurm_time(const std::string& text) {
  std::string rest = text.substr(0, text.find_last_not_of(" \n\r\t") + 1);
  std::int64_t seconds = 0;
  if (const auto dash = rest.find('-'); dash != std::string::npos) {
    const auto days = number(rest.substr(0, dash));
    if (!days)
      return std::nullopt;
    seconds = *days * 86400;
    rest = rest.substr(dash + 1);
  }
  std::vector<std::int64_t> fields;
  for (std::size_t start = 0; start <= rest.size();) {
    const std::size_t end = std::min(rest.find(':', start), rest.size());
    const auto field = number(rest.substr(start, end - start));
    if (!field)
      return std::nullopt;
    fields.push_back(*field);
    start = end + 1;
  }
  if (fields.size() < 2 || fields.size() > 3)
    return std::nullopt;
  std::int64_t of_day = 0;
  for (const std::int64_t field : fields) of_day = of_day * 60 + field;
  return seconds + of_day;
}

SlurmTimeLimit::SlurmTimeLimit(std::string job, std::int64_t margin_seconds, StopRequest& request)
    : job_(std::move(job)),
      margin_seconds_(margin_seconds),
      request_(request),
      thread_([this] { watch(); }) {}

SlurmTimeLimit::~SlurmTimeLimit() {
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
  }
  ended_.notify_all();
  thread_.join();
}

void SlurmTimeLimit::watch() {
  std::unique_lock lock(mutex_);
  while (!end_) {
    lock.unlock();
    const auto text = output_of({"squeue", "-h", "-j", job_, "-o", "%L"});
    lock.lock();
    if (!text) {
      log::warn("squeue cannot be started, so the time limit of job {} is not watched", job_);
      return;
    }
    const auto left = seconds_of_slurm_time(*text);
    if (left && *left < margin_seconds_) {
      request_.set(StopRequest::kTimeLimit);
      return;
    }
    ended_.wait_for(lock, kPause, [this] { return end_; });
  }
}

}  // namespace regatta
