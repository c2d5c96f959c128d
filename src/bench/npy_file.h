// Arrays as .npy files (version 1.0), for programs that know NumPy and nothing of Regatta.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace regatta {

/// Writes `values` in C order under `shape`, little-endian. Format:
/// numpy.org/doc/stable/reference/generated/numpy.lib.format.html. Throws Error(kStorage) naming
/// the path.
void write_npy(const std::string& path,
               std::span<const float> values,
               const std::vector<std::int64_t>& shape);
void write_npy(const std::string& path, std::span<const std::int32_t> values);
void write_npy(const std::string& path, std::span<const std::int64_t> values);

}  // namespace regatta
