#include "checkpoint/checkpoint_store.h"

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <unistd.h>

namespace regatta {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kRecord = "attempt.json";
constexpr const char* kStep = "step-";
constexpr const char* kBest = "best-";

/// The number after `prefix` where that is all of `name`.
std::optional<std::int64_t> number_after(const std::string& name, const std::string& prefix) {
  if (name.size() <= prefix.size() || name.compare(0, prefix.size(), prefix) != 0)
    return std::nullopt;
  std::int64_t number = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + prefix.size(), end, number);
  if (error != std::errc() || stop != end || number < 0)
    return std::nullopt;
  return number;
}

/// Numbers of the entries PREFIX-NUMBER of a folder, highest first; none where there is no folder.
std::vector<std::int64_t> numbered(const std::string& folder, const std::string& prefix) {
  std::vector<std::int64_t> numbers;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    if (const auto number = number_after(entry.path().filename().string(), prefix))
      numbers.push_back(*number);
  }
  std::sort(numbers.rbegin(), numbers.rend());
  return numbers;
}

std::string attempts_of(const std::string& checkpoints) {
  return checkpoints + "/attempts";
}

std::string attempt_folder(const std::string& checkpoints, std::int64_t attempt) {
  return fmt::format("{}/{}", attempts_of(checkpoints), attempt);
}

std::string numbered_folder(const std::string& attempt, const char* prefix, std::int64_t number) {
  return fmt::format("{}/{}{:08}", attempt, prefix, number);
}

std::vector<StoredCheckpoint> steps_of_attempt(const std::string& checkpoints,
                                               std::int64_t attempt) {
  std::vector<StoredCheckpoint> steps;
  const std::string folder = attempt_folder(checkpoints, attempt);
  for (const std::int64_t step : numbered(folder, kStep))
    steps.push_back({attempt, step, numbered_folder(folder, kStep, step)});
  return steps;
}

/// What an attempt went on from. Without value: it started anew.
struct Origin {
  std::int64_t attempt = 0;
  std::int64_t step = 0;
};

std::optional<Origin> origin_of(const std::string& checkpoints, std::int64_t attempt) {
  const std::string path = attempt_folder(checkpoints, attempt) + "/" + kRecord;
  const auto record = ordered_json::parse(read_file(path, 1 << 20), nullptr, false);
  if (record.is_discarded() || !record.is_object() || !record.contains("resumed_from"))
    fail(ExitCode::kData, "{}: not the record of an attempt; remove the folder", path);
  const ordered_json& from = record["resumed_from"];
  if (from.is_null())
    return std::nullopt;
  return Origin{from.value("attempt", std::int64_t{0}), from.value("step", std::int64_t{0})};
}

/// Checkpoints of before attempts: checkpoints/last as a folder of its own.
std::vector<StoredCheckpoint> first_layout(const std::string& checkpoints) {
  const std::string last = checkpoints + "/last";
  if (fs::is_symlink(last) || (!fs::exists(last) && !fs::exists(last + ".old")))
    return {};
  return {{0, 0, last}};
}

void remove_quietly(const std::string& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

}  // namespace

std::vector<StoredCheckpoint> resumable_checkpoints(const std::string& run_folder) {
  const std::string checkpoints = run_folder + "/checkpoints";
  std::vector<StoredCheckpoint> found;
  // Of each older attempt only what the newer one went on from, and older: the fence.
  std::optional<Origin> bound;
  for (const std::int64_t attempt : numbered(attempts_of(checkpoints), "")) {
    if (bound && attempt > bound->attempt)
      continue;
    for (StoredCheckpoint& stored : steps_of_attempt(checkpoints, attempt)) {
      if (!bound || attempt < bound->attempt || stored.step <= bound->step)
        found.push_back(std::move(stored));
    }
    const auto origin = origin_of(checkpoints, attempt);
    if (!origin)
      return found;
    bound = origin;
  }
  const auto old = first_layout(checkpoints);
  found.insert(found.end(), old.begin(), old.end());
  return found;
}

Checkpoint read_resumable(const std::string& folder) {
  Checkpoint checkpoint = read_checkpoint(folder);
  // Of the first layout, whose best model lay beside.
  if (checkpoint.best.empty() && fs::path(folder).filename() == "last")
    checkpoint.best = read_checkpoint(fs::path(folder).parent_path().string() + "/best").model;
  return checkpoint;
}

std::optional<LatestCheckpoint> read_latest_checkpoint(const std::string& run_folder) {
  std::string faults;
  for (const StoredCheckpoint& stored : resumable_checkpoints(run_folder)) {
    try {
      return LatestCheckpoint{stored, read_resumable(stored.folder)};
    } catch (const Error& error) {
      log::warn("{} cannot be used, trying the one before: {}", stored.folder, error.what());
      faults += fmt::format("\n  {}", error.what());
    }
  }
  if (!faults.empty())
    fail(ExitCode::kData, "{}: no checkpoint of the run can be used:{}", run_folder, faults);
  return std::nullopt;
}

CheckpointAttempt::CheckpointAttempt(const std::string& run_folder, const std::string& resumed_from)
    : checkpoints_(run_folder + "/checkpoints") {
  make_folders(attempts_of(checkpoints_));
  ordered_json from = nullptr;
  for (const StoredCheckpoint& stored : resumable_checkpoints(run_folder)) {
    if (stored.folder == resumed_from)
      from = {{"attempt", stored.attempt}, {"step", stored.step}};
  }
  REGATTA_CHECK(resumed_from.empty() || !from.is_null(), "{} is not of this run", resumed_from);
  // The folder appears with its record in it, or an attempt without origin could be seen.
  const std::string fresh = fmt::format("{}/new-{}", attempts_of(checkpoints_), getpid());
  remove_quietly(fresh);
  make_folders(fresh);
  const auto older = numbered(attempts_of(checkpoints_), "");
  for (number_ = older.empty() ? 1 : older.front() + 1;; ++number_) {
    folder_ = attempt_folder(checkpoints_, number_);
    const ordered_json record = {{"attempt", number_}, {"resumed_from", from}};
    replace_file(fresh + "/" + kRecord, record.dump(2) + "\n");
    std::error_code error;
    fs::rename(fresh, folder_, error);
    if (!error)
      break;
    if (!fs::exists(folder_))
      fail(ExitCode::kStorage, "cannot create {}: {}", folder_, error.message());
  }
  sync_folder(attempts_of(checkpoints_));
}

void CheckpointAttempt::check_newest() const {
  const auto attempts = numbered(attempts_of(checkpoints_), "");
  if (!attempts.empty() && attempts.front() > number_) {
    fail(ExitCode::kStorage,
         "attempt {} of {} may not write any more: attempt {} has begun. This process outlived its "
         "job; end it",
         number_,
         checkpoints_,
         attempts.front());
  }
  if (!fs::exists(folder_))
    fail(ExitCode::kStorage, "{} is gone: the run was removed while it was training", folder_);
}

/// Replaced by rename, so that the name always leads to a whole checkpoint.
void CheckpointAttempt::link(const std::string& name, const std::string& folder) const {
  const std::string path = checkpoints_ + "/" + name, fresh = path + ".new";
  std::error_code error;
  fs::remove(fresh, error);
  fs::create_directory_symlink(fs::relative(folder, checkpoints_), fresh, error);
  if (error)
    fail(ExitCode::kStorage, "cannot link {}: {}", fresh, error.message());
  if (fs::is_directory(fs::symlink_status(path)))
    remove_quietly(path);  // of the first layout
  fs::rename(fresh, path, error);
  if (error)
    fail(ExitCode::kStorage, "cannot rename {} to {}: {}", fresh, path, error.message());
}

std::string CheckpointAttempt::write_step(std::int64_t step,
                                          const Checkpoint& checkpoint,
                                          std::int64_t keep) {
  check_newest();
  const std::string folder = numbered_folder(folder_, kStep, step);
  write_checkpoint(folder, checkpoint);
  link("last", folder);
  check_newest();
  std::int64_t kept = 0;
  for (const std::int64_t attempt : numbered(attempts_of(checkpoints_), "")) {
    for (const StoredCheckpoint& stored : steps_of_attempt(checkpoints_, attempt)) {
      if (++kept > keep)
        remove_quietly(stored.folder);
    }
  }
  return folder;
}

std::string CheckpointAttempt::write_best(std::int64_t step, const Checkpoint& checkpoint) {
  check_newest();
  const std::string folder = numbered_folder(folder_, kBest, step);
  write_checkpoint(folder, checkpoint);
  link("best", folder);
  for (const std::int64_t attempt : numbered(attempts_of(checkpoints_), "")) {
    const std::string of = attempt_folder(checkpoints_, attempt);
    for (const std::int64_t older : numbered(of, kBest)) {
      if (attempt < number_ || older != step)
        remove_quietly(numbered_folder(of, kBest, older));
    }
  }
  return folder;
}

}  // namespace regatta
