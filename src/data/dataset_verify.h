// Finds every fault of a dataset: of each chunk alone, and between chunks.
#pragma once

#include "data/dataset.h"
#include "data/manifest.h"

#include <cstdint>
#include <string>
#include <vector>

namespace regatta {

/// One rank's part of `regatta verify`.
struct VerifyShare {
  std::vector<std::string> faults;  ///< each names file, array, found, expected, remedy
  std::vector<std::uint8_t>
      owned_nodes;  ///< bit n (bit n % 8 of byte n / 8): node n is owned by a chunk seen here
  std::vector<std::int64_t> edge_types;  ///< in-edges of those nodes by type; empty without types
  std::int64_t chunks = 0;
  std::uint64_t bytes = 0;
};

struct VerifyRequest {
  std::int64_t first = 0, stride = 1;  ///< chunks `first`, `first + stride`, ...
  bool allow_non_finite = false;       ///< NaN and Inf in features are no fault
};

/// Checks all that read_chunk_file checks, each node once in a chunk, and halo nodes against the
/// chunks that own them.
VerifyShare verify_chunks(const std::string& folder,
                          const Manifest& manifest,
                          const VerifyRequest& request);

/// From the bitwise or of all shares: the fault that some node is owned by no chunk, or "".
std::string missing_nodes_fault(const std::string& folder,
                                const Manifest& manifest,
                                const std::vector<std::uint8_t>& owned_nodes);

/// From the sum of all shares: the fault that the manifest counts edge types otherwise, or "". A
/// halo of mode none does not hold every edge, so there is nothing to compare.
std::string edge_types_fault(const std::string& folder,
                             const Manifest& manifest,
                             const std::vector<std::int64_t>& edge_types);

}  // namespace regatta
