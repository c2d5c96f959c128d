// Names inside chunk-NNNNNN.h5; docs/chunk_format.md explains them.
#pragma once

#include <cstdint>
#include <string>

namespace regatta::chunk_format {

inline constexpr const char* kFormat = "regatta-chunk";
inline constexpr std::int64_t kMaxNodes = (std::int64_t{1} << 31) - 1;
inline constexpr std::int64_t kMaxHops = 64;

inline constexpr const char* kIndptr = "/topology/indptr";
inline constexpr const char* kSrc = "/topology/src";
inline constexpr const char* kEdgeId = "/topology/edge_id";
inline constexpr const char* kEdgeType = "/topology/edge_type";
inline constexpr const char* kEdgeX = "/edges/x";
inline constexpr const char* kGlobalId = "/nodes/global_id";
inline constexpr const char* kRingPtr = "/nodes/ring_ptr";
inline constexpr const char* kOwnerChunk = "/nodes/owner_chunk";
inline constexpr const char* kOwnerRow = "/nodes/owner_row";
inline constexpr const char* kX = "/nodes/x";
inline constexpr const char* kXIndptr = "/nodes/x_indptr";
inline constexpr const char* kXIndex = "/nodes/x_index";
inline constexpr const char* kXValue = "/nodes/x_value";
inline constexpr const char* kTargets = "/targets";
inline constexpr const char* kOriginal = "/ids/original";
inline constexpr const char* kOriginalBytes = "/ids/original_bytes";
inline constexpr const char* kOriginalOffset = "/ids/original_offset";

inline constexpr std::int64_t kMaxEdgeTypes = 65535;

/// Named by the format for later versions; a file that has them means more than this version reads.
/// Of /edges only kEdgeX is read.
inline constexpr const char* kReserved[] = {
    "/edges", "/nodes/token", "/nodes/type", "/graphs", "/node_types", "/relations"};

inline std::string target_group(const std::string& target) {
  return std::string(kTargets) + "/" + target;
}
inline std::string target_value(const std::string& target) {
  return target_group(target) + "/value";
}
inline std::string target_split(const std::string& target) {
  return target_group(target) + "/split";
}

}  // namespace regatta::chunk_format
