// The manifest and its chunks.
#include "data/dataset.h"

#include "core/error.h"
#include "data/chunk_reader.h"

#include <fmt/format.h>

#include <filesystem>
#include <mutex>
#include <utility>

namespace regatta {
namespace {

struct VerifiedChunks {
  std::mutex mutex;
  std::vector<bool> done;
};

void check_present(const std::string& path, const ManifestChunk& entry) {
  std::error_code status;
  if (!std::filesystem::is_regular_file(std::filesystem::symlink_status(path, status)))
    fail(ExitCode::kData,
         "{}: is missing or not a regular file, expected a chunk of {} bytes; copy the dataset "
         "again or preprocess again",
         path,
         entry.bytes);
  if (const std::uint64_t bytes = std::filesystem::file_size(path, status);
      status || bytes != entry.bytes)
    fail(ExitCode::kData,
         "{}: has {} bytes, expected {} as the manifest says; copy the dataset again or preprocess "
         "again",
         path,
         bytes,
         entry.bytes);
}

}  // namespace

void ReadOptions::declare(OptionGroup& group) {
  group.choice("read",
               read,
               {"auto", "map", "pread"},
               "how chunk bytes are read; auto maps files on local disks and preads from network "
               "file systems");
  group.choice(
      "verify", verify, {"open", "first_use", "never"}, "when the CRC32C of each array is checked");
  group.flag("allow_non_finite", allow_non_finite, "accept NaN and Inf in features");
}

Dataset::Dataset(std::string folder, ReadOptions options)
    : folder_(std::move(folder)), options_(std::move(options)), manifest_(read_manifest(folder_)) {
  if (options_.read == "auto")
    options_.read = on_network_filesystem(folder_) ? "pread" : "map";
  auto verified = std::make_shared<VerifiedChunks>();
  verified->done.resize(manifest_.chunks.size());
  verified_ = std::move(verified);
  for (std::int64_t chunk = 0; chunk < num_chunks(); ++chunk)
    check_present(chunk_path(chunk), manifest_.chunks[static_cast<std::size_t>(chunk)]);
  if (options_.verify == "open")
    for (std::int64_t chunk = 0; chunk < num_chunks(); ++chunk) read_chunk(chunk);
}

std::string Dataset::chunk_path(std::int64_t chunk) const {
  REGATTA_CHECK(chunk >= 0 && chunk < num_chunks(), "chunk {} of {}", chunk, num_chunks());
  return folder_ + "/" + manifest_.chunks[static_cast<std::size_t>(chunk)].file;
}

std::shared_ptr<const GraphChunk> Dataset::read_chunk(std::int64_t chunk) const {
  auto& verified = *static_cast<VerifiedChunks*>(verified_.get());
  const auto at = static_cast<std::size_t>(chunk);
  ChunkReadRequest request;
  request.path = chunk_path(chunk);
  request.manifest = &manifest_;
  request.chunk = chunk;
  request.map = options_.read == "map";
  request.allow_non_finite = options_.allow_non_finite;
  request.check_crc = false;
  if (options_.verify != "never") {
    const std::scoped_lock lock(verified.mutex);
    request.check_crc = !verified.done[at];
  }
  auto result = std::make_shared<const GraphChunk>(read_chunk_file(request));
  if (request.check_crc) {
    const std::scoped_lock lock(verified.mutex);
    verified.done[at] = true;
  }
  return result;
}

}  // namespace regatta
