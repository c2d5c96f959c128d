// The folder a dataset is written into: what may stand in it, replacing, and cleaning up.
#pragma once

#include <cstdint>
#include <string>

namespace regatta {

inline constexpr const char* kBadRowsFile = "bad_rows.csv";

/// Refuses (Error(kUsage)) a path that is no folder, or a folder that holds anything but a
/// dataset's files. Changes nothing.
void check_dataset_folder(const std::string& folder);

/// Makes the folder; an earlier dataset in it stops being one (its manifest goes first). Throws
/// Error(kStorage).
void open_dataset_folder(const std::string& folder);

/// Removes chunk files from number `first` on, temporary files, and bad_rows.csv unless
/// `keep_bad_rows`. Throws Error(kStorage).
void remove_stale_files(const std::string& folder, std::int64_t first, bool keep_bad_rows);

/// After a failure: removes all files of the unfinished dataset, and the folder when that leaves it
/// empty. Never throws.
void discard_dataset(const std::string& folder) noexcept;

}  // namespace regatta
