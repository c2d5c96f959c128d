// Reading whole files and replacing files atomically: temporary name, fsync, rename, fsync of the folder.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace regatta {

/// Whole content. Throws Error(kData) naming the path and errno; refuses more than `limit` bytes.
std::string read_file(const std::string& path, std::uint64_t limit = std::uint64_t{1} << 30);

/// Writes `content` under a temporary name beside `path`, syncs, renames over `path`, syncs the folder.
/// Throws Error(kStorage) naming the path; nothing half-written stays.
void replace_file(const std::string& path, std::string_view content);

/// The last three steps for a file that somebody else wrote: fsync(temporary), rename, fsync(folder).
void publish_file(const std::string& temporary, const std::string& path);

/// fsync of a folder. Throws Error(kStorage).
void sync_folder(const std::string& path);

/// Creates a folder and its parents. Throws Error(kStorage).
void make_folders(const std::string& path);

}  // namespace regatta
