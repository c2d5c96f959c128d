// Preprocessing: raw files become a dataset folder, or chunks in memory.
#pragma once

#include "comm/communicator.h"
#include "data/graph_chunk.h"
#include "data/manifest.h"
#include "preprocess/preprocess_options.h"

#include <string>
#include <vector>

namespace regatta {

/// Reads the raw files named by `options` and writes a dataset (docs/chunk_format.md) into
/// `folder`, which must be absent, empty, or hold an earlier dataset (then replaced, but only once
/// the input has proved good). Collective: every rank plans the same dataset and writes the chunks
/// c with c % size == rank; the files' bytes do not depend on the number of ranks. Returns the
/// manifest on every rank. Throws the same Error on every rank: kData for bad input (file:line),
/// kUsage for options that do not fit, kStorage. Nothing half-written stays.
Manifest preprocess_dataset(const PreprocessOptions& options,
                            const std::string& folder,
                            Communicator& world);

/// A dataset in memory: the chunks, and the manifest without its file entries.
struct DatasetInMemory {
  Manifest manifest;
  std::vector<GraphChunk> chunks;
};

/// The same stages without a disk. Throws as preprocess_dataset does.
DatasetInMemory build_chunks(const PreprocessOptions& options);

}  // namespace regatta
