#include "preprocess/write/dataset_folder.h"

#include "core/error.h"
#include "core/file.h"

#include <charconv>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

namespace regatta {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kChunkPrefix = "chunk-";
constexpr std::string_view kChunkSuffix = ".h5";

/// Number in "chunk-000012.h5".
std::optional<std::int64_t> chunk_number(std::string_view name) {
  if (!name.starts_with(kChunkPrefix) || !name.ends_with(kChunkSuffix))
    return std::nullopt;
  name.remove_prefix(kChunkPrefix.size());
  if (name.size() < kChunkSuffix.size() + 6)
    return std::nullopt;
  name.remove_suffix(kChunkSuffix.size());
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size() || number < 0)
    return std::nullopt;
  return number;
}

/// Left over by a run that was killed while it wrote.
bool is_temporary(std::string_view name) {
  if (name.starts_with(kChunkPrefix) && name.ends_with(".h5.tmp"))
    return true;
  return name.starts_with(".manifest.json.tmp-") || name.starts_with(".bad_rows.csv.tmp-");
}

std::vector<fs::path> entries_of(const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  if (error)
    fail(ExitCode::kStorage, "{}: cannot be listed: {}", folder, error.message());
  return entries;
}

void remove_file(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  if (error)
    fail(ExitCode::kStorage, "{}: cannot be removed: {}", path.string(), error.message());
}

}  // namespace

void check_dataset_folder(const std::string& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (status.type() == fs::file_type::not_found)
    return;
  if (!fs::is_directory(status)) {
    fail(ExitCode::kUsage,
         "{}: is not a folder, so no dataset can be written there; choose another path",
         folder);
  }
  for (const fs::path& entry : entries_of(folder)) {
    const std::string name = entry.filename().string();
    if (name == "manifest.json" || name == kBadRowsFile || is_temporary(name) || chunk_number(name))
      continue;
    fail(ExitCode::kUsage,
         "{}: holds '{}', which is not part of a dataset; choose an empty folder, a new one, or "
         "that of an "
         "earlier dataset to replace",
         folder,
         name);
  }
}

void open_dataset_folder(const std::string& folder) {
  make_folders(folder);
  remove_file(fs::path(folder) / "manifest.json");
  sync_folder(folder);
}

void remove_stale_files(const std::string& folder, std::int64_t first, bool keep_bad_rows) {
  for (const fs::path& entry : entries_of(folder)) {
    const std::string name = entry.filename().string();
    const auto number = chunk_number(name);
    const bool stale_chunk = number && *number >= first;
    if (stale_chunk || is_temporary(name) || (name == kBadRowsFile && !keep_bad_rows))
      remove_file(entry);
  }
  sync_folder(folder);
}

void discard_dataset(const std::string& folder) noexcept {
  try {
    std::error_code ignored;
    fs::remove(fs::path(folder) / "manifest.json", ignored);
    remove_stale_files(folder, 0, false);
    fs::remove(folder, ignored);  // an empty folder only
  } catch (...) {                 // the failure that led here is the one to report
  }
}

}  // namespace regatta
