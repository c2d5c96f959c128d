// The memory of a backward of dot or gatv2, and the passes that end it.
#pragma once

#include "kernels/cpu/edge_blocks.h"
#include "kernels/cpu/row_attention.h"
#include "kernels/cpu/slope_bits.h"
#include "kernels/cpu/weighted_sums.h"

namespace regatta::cpu {

struct RowBackwardMemory {
  explicit RowBackwardMemory(const AttentionBackwardArgs& args);

  const void* gradient;  ///< g [R,H,D] of O: args.grad_out or own memory
  void* own_gradient;    ///< g past an activation, or of the residual; null without either
  void* delta;           ///< (w) [R,H]
  void* bias_parts;
  std::int64_t* ends;  ///< [N] ends of out-edge lists, where rows are a prefix
  void* logit;         ///< (w) [E,stride] products of the logits, where out_record will be
  void* product;       ///< (w) [E,stride] p; likewise
  /// [E] record_bytes each: alpha m of each head, the gradients of the products, for gatv2 the bits
  /// of the slopes.
  void* record;
  void* out_record;        ///< the same in the order of out-edges
  std::size_t bits_bytes;  ///< of a record
  void* kept;
  void* partial;  ///< (w) [N, tile], by blocks [tiles, N, tile]: sums of several passes over a tile
  void* row_parts;  ///< of LeakySums, of each tile
  void* source_parts;
  std::size_t row_parts_bytes = 0;  ///< of a tile
  std::size_t source_parts_bytes = 0;
  std::uint64_t* kept_messages;  ///< [N] of one tile
  void* tile;                    ///< by blocks, CompactTables
  std::size_t bytes;
};

/// What every pass of one backward reads.
struct RowBackward {
  const AttentionBackwardArgs& args;
  const RowAttention& plan;
  const RowBackwardMemory& memory;
  EdgeLists in_edges;
  EdgeLists out_edges;
  KeptQuad& kept;
  TileBuffer& buffer;
  EdgePasses& passes;
};

std::size_t record_bytes(const RowBackward& pass, const HeadGroup& group);
/// Those of `records` of a group.
SlopeBits slope_bits(const RowBackward& pass, const HeadGroup& group, void* records);
/// Records of a group in the order of out-edges.
void to_out_edges(const RowBackward& pass, const HeadGroup& group);

/// Gradients of query, key and value from the weights and gradients of the edges of a group, in
/// both orders.
void dot_gradients(const RowBackward& pass, const HeadGroup& group);
void gatv2_gradients(const RowBackward& pass, const HeadGroup& group);

/// Where passes meet in a tile: runs them by blocks with the sums over in-edges that begin there,
/// which the two above then leave out.
void meeting_row_gradients(const RowBackward& pass, const HeadGroup& group);

/// The same by blocks: the part that sums over the in-edges of a block, that over the out-edges of
/// a block, when all of the first is done, and what ends gatv2's.
void block_row_gradients(const RowBackward& pass, const HeadGroup& group);
void block_key_gradients(const RowBackward& pass, const HeadGroup& group);
void block_value_gradients(const RowBackward& pass, const HeadGroup& group);
void merge_gatv2_gradients(const RowBackward& pass, const HeadGroup& group);

}  // namespace regatta::cpu
