// Reads chunk-NNNNNN.h5: the HDF5 library opens, describes and checks; bytes are read at their
// offsets.
#pragma once

#include "data/graph_chunk.h"
#include "data/manifest.h"

#include <cstdint>
#include <functional>
#include <string>

namespace regatta {

struct ChunkReadRequest {
  std::string path;
  const Manifest* manifest = nullptr;  ///< when given, the chunk must agree with its entry `chunk`
  std::int64_t chunk = -1;
  bool map = true;  ///< map into memory; false: pread into own memory
  bool check_crc = true;
  bool allow_non_finite = false;
};

/// Throws Error(kData) naming file, dataset, found, expected and remedy for everything that
/// docs/chunk_format.md lists as refused.
GraphChunk read_chunk_file(const ChunkReadRequest& request);

/// Like read_chunk_file, but hands every fault to `report`, goes on where it can, and checks that
/// no node occurs twice (`regatta verify`). The chunk is whole only where nothing was reported.
GraphChunk verify_chunk_file(const ChunkReadRequest& request,
                             const std::function<void(const std::string& fault)>& report);

/// /nodes/global_id alone: its structure and CRC are checked, its order is not. Throws
/// Error(kData). Error(kData).
SharedArray<std::int64_t> read_global_ids(const ChunkReadRequest& request);

/// True when `path` lies on a network file system (NFS, Lustre, GPFS, ...).
bool on_network_filesystem(const std::string& path);

}  // namespace regatta
