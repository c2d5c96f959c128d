// The safetensors format: 8 bytes length, JSON header, raw little-endian data. No code in it.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace regatta {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Writes tensors (CPU or CUDA; float32, float64, bfloat16, float16, int64, int32, uint8, bool) in
/// the given order; `metadata` goes into "__metadata__". Not atomic by itself (checkpoint folders
/// are). Throws Error(kStorage).
void write_safetensors(const std::string& path,
                       const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata = {});

/// Reads all tensors to CPU. Refuses headers over 100 MB, overflowing products, holes, overlaps,
/// unknown dtypes, offsets past the end, duplicate names: Error(kData) naming the path and the
/// tensor.
NamedTensors read_safetensors(const std::string& path);

}  // namespace regatta
