// Dataset: the manifest and its chunks, read on demand and checked against it.
#pragma once

#include "core/options.h"
#include "data/graph_chunk.h"
#include "data/manifest.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace regatta {

/// How chunk bytes are read and checked.
struct ReadOptions {
  std::string read =
      "auto";  ///< auto | map | pread (auto: map on local disks, pread on network ones)
  std::string verify =
      "first_use";  ///< open | first_use | never: when CRC32C of each array is checked
  bool allow_non_finite = false;  ///< accept NaN and Inf in features
  void declare(OptionGroup& group);
};

/// Thread-safe for concurrent read_chunk calls.
class Dataset {
 public:
  /// Reads the manifest; `verify: open` also checks every chunk. Throws Error(kData).
  explicit Dataset(std::string folder, ReadOptions options = {});

  const std::string& folder() const { return folder_; }
  const Manifest& manifest() const { return manifest_; }
  std::int64_t num_chunks() const { return static_cast<std::int64_t>(manifest_.chunks.size()); }
  std::string chunk_path(std::int64_t chunk) const;

  /// Reads and validates one chunk in full (structure, bounds, agreement with the manifest; CRC by
  /// `verify`).
  std::shared_ptr<const GraphChunk> read_chunk(std::int64_t chunk) const;

 private:
  std::string folder_;
  ReadOptions options_;
  Manifest manifest_;
  mutable std::shared_ptr<void> verified_;  ///< which chunks had their CRC checked (guarded inside)
};

}  // namespace regatta
