// The bytes of a chunk's arrays, taken at their offsets: mapped, or read into own memory.
#pragma once

#include "data/chunk_faults.h"
#include "data/hdf5_file.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace regatta {

/// An open regular file; a link is refused. Keeps its mapping, if any, alive.
class ChunkFile {
 public:
  /// Throws Error(kData) naming the path.
  ChunkFile(std::string path, bool map);
  ~ChunkFile();
  ChunkFile(const ChunkFile&) = delete;
  ChunkFile& operator=(const ChunkFile&) = delete;

  std::uint64_t bytes() const { return bytes_; }
  const std::byte* mapped() const { return mapped_; }                ///< nullptr when not mapped
  void read(std::uint64_t offset, std::span<std::byte> into) const;  ///< pread, whole; Error(kData)
  /// False when `path` names another file by now (it was replaced while being described).
  bool still_at_path() const;

 private:
  std::string path_;
  int descriptor_ = -1;
  std::uint64_t bytes_ = 0;
  const std::byte* mapped_ = nullptr;
};

/// One array in memory.
struct Payload {
  std::shared_ptr<const void> owner;
  std::span<const std::byte> bytes;
  std::uint32_t crc32c = 0;            ///< when asked for
  std::int64_t first_non_finite = -1;  ///< element number; floating-point arrays only
};

struct PayloadRequest {
  std::vector<const Hdf5Dataset*> datasets;
  bool checksum = true;
  bool find_non_finite = true;
};

struct Payloads {
  std::map<std::string, Payload> arrays;
  std::uint32_t file_crc32c = 0;  ///< of the whole file, when asked for
};

/// Reads all arrays in one pass over pieces shared out to compute_threads(); checksums and the
/// search for NaN and Inf run on each piece while it is in cache. Arrays that overlap are a fault.
Payloads load_payloads(const std::shared_ptr<const ChunkFile>& file,
                       const PayloadRequest& request,
                       ChunkFaults& faults);

}  // namespace regatta
