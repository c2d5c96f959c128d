// The passes of gat's backward and the memory they share; gat_backward_passes.cpp puts them in
// order.
#pragma once

#include "kernels/attention.h"
#include "kernels/cpu/column_tiles.h"
#include "kernels/cpu/gat_weights.h"

#include <cstdint>

namespace regatta::cpu {

struct GatBackwardMemory {
  explicit GatBackwardMemory(const AttentionBackwardArgs& args);

  const void* gradient;  ///< g [R,H,D] of O: args.grad_out or own memory
  void* own_gradient;    ///< g past an activation, or of the residual; null without either
  void* delta;           ///< (w) [R,H]
  void* correction;      ///< (w) <g_i, C_i> [R,H]; null when dt comes from the edges
  void* positive;        ///< (w) A+ [R,H], where logsumexp has a gradient
  void* bias_parts;
  std::int64_t* end;  ///< [N] end of each source's out-edges among the rows
  void* record;       ///< GatRecords of one group
  void*
      weight;  ///< (w) [edges, stride] of one group: products by in-edge, then weights by out-edge
  std::uint64_t* kept_messages;  ///< [N] of one tile
  std::uint8_t* kept_edges;      ///< of one group; where the forward did not leave them
  void* tile;
  std::size_t bytes;
};

/// grad_value and ds (which holds -sum alpha LeakyReLU' Delta already) from the weights of
/// out-edges.
void gat_source_sums(const AttentionBackwardArgs& args,
                     const GatBackwardMemory& memory,
                     const HeadGroup& group);

/// dt and the gradient of edge.logit from the products of in-edges; `kept` are the bits of
/// attention dropout, as KeptFactors takes them.
void gat_edge_gradients(const AttentionBackwardArgs& args,
                        const GatBackwardMemory& memory,
                        const HeadGroup& group,
                        const std::uint8_t* kept);

}  // namespace regatta::cpu
