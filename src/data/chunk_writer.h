// Writes one chunk atomically (temporary name, flush, sync, rename) with a CRC32C attribute on each
// array.
#pragma once

#include "data/graph_chunk.h"
#include "data/manifest.h"

#include <map>
#include <string>

namespace regatta {

/// "chunk-000012.h5"
std::string chunk_file_name(std::int64_t chunk);

/// Writes FOLDER/chunk-NNNNNN.h5 and returns its manifest entry (file, bytes, crc32c, sizes, class
/// counts of splitting 0). The bytes depend on the chunk alone. Throws Error(kStorage) naming the
/// path; Error(kData) for
/// >= 2^31 nodes.
ManifestChunk write_chunk_file(const std::string& folder,
                               const GraphChunk& chunk,
                               const std::map<std::string, ManifestTarget>& targets);

}  // namespace regatta
