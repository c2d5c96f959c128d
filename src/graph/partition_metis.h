// Division of a graph by METIS (Karypis and Kumar 1998).
#pragma once

#include "graph/csr_graph.h"
#include "graph/symmetric_graph.h"

#include <cstdint>
#include <vector>

namespace regatta {

struct MetisRequest {
  std::int64_t parts = 2;   ///< 2 or more, fewer than nodes
  std::uint64_t seed = 0;   ///< of METIS's own generator
  const char* option = "";  ///< the option that asked, for messages
  const char* remedy = "";  ///< what to set instead, for messages
};

/// Part of each node, [N], in [0, parts); parts may be empty on small graphs. k-way division with
/// few edges cut, balanced by nodes + in-edges. Depends on its arguments only. Throws Error(kUsage)
/// when the METIS library's indices are too narrow for the graph, Error(kInternal) when it fails.
std::vector<std::int32_t> metis_parts(const CsrView& graph,
                                      const SymmetricGraph& symmetric,
                                      const MetisRequest& request);

/// Throws the Error(kUsage) of metis_parts early, before anything large is made.
void check_metis_size(const CsrView& graph, const MetisRequest& request);

}  // namespace regatta
