// A checkpoint is a folder: model.safetensors, optimizer.safetensors, state.json, where there is one
// best.safetensors, and MANIFEST.json with size and CRC32C of each. It exists only when
// MANIFEST.json does: written as NAME.tmp, synced, renamed.
#pragma once

#include "checkpoint/safetensors.h"

#include <nlohmann/json.hpp>

#include <string>

namespace regatta {

struct Checkpoint {
  NamedTensors model;
  NamedTensors optimizer;  ///< may be empty
  NamedTensors best;       ///< the model that validated best so far; may be empty
  nlohmann::ordered_json
      state;  ///< epoch, step, early stopping, seed, effective configuration, dataset digest, ...
};

/// Writes FOLDER atomically, replacing an older one of that name; synced to disk on return. Numbers
/// in `state` must be finite (JSON has no others). Throws Error(kStorage) naming the path; the
/// older one then stays valid.
void write_checkpoint(const std::string& folder, const Checkpoint& checkpoint);

/// Verifies size and CRC32C of each file, then loads. Throws Error(kData) naming file and remedy. A
/// FOLDER.old left by an interrupted replacement is used when FOLDER itself is missing.
Checkpoint read_checkpoint(const std::string& folder);

/// CRC32C (8 hex digits) over names, dtypes, shapes and bytes of all tensors in order:
/// `model_digest`.
std::string tensors_digest(const NamedTensors& tensors);

}  // namespace regatta
