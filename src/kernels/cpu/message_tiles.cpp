// mu (.) value over a packed tile: every row then serves many edges.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/message_tiles.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "core/parallel.h"
#include "kernels/cpu/column_tiles.h"
#include "kernels/cpu/kept_columns-inl.h"
#include "kernels/cpu/row_pieces.h"
#include "kernels/cpu/storage_lanes-inl.h"
#include "kernels/prepared_graph.h"

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

constexpr std::size_t kBlockNodes = 64;

/// Bits of the tile for the nodes [begin, end), at most kBlockNodes.
template <class W>
void block_bits(const AttentionInputs& in,
                const ColumnTile& tile,
                std::int64_t begin,
                std::int64_t end,
                std::uint64_t* bits) {
  kept_columns(DropoutPlan<W>(in.message_dropout),
               in.graph->global_id.data() + begin,
               static_cast<std::size_t>(end - begin),
               tile.first,
               tile.count,
               bits);
}

template <class S>
void mask_rows(const AttentionInputs& in,
               const ColumnTile& tile,
               std::size_t stride,
               S* rows,
               RowRange nodes) {
  using W = Working<S>;
  const DropoutPlan<W> plan(in.message_dropout);
  const BlockTag<W> d;
  const auto scale = hn::Set(d, plan.scale);
  std::uint64_t bits[kBlockNodes];
  block_bits<W>(in, tile, nodes.begin, nodes.end, bits);
  for (std::int64_t j = nodes.begin; j < nodes.end; ++j) {
    S* row = rows + static_cast<std::size_t>(j) * stride;
    for (std::size_t k = 0; k < stride; k += hn::Lanes(d)) {
      const auto value = hn::Mul(scale, load_storage(d, static_cast<const S*>(row) + k));
      store_storage(kept_lanes(d, bits[j - nodes.begin], k, value), d, row + k);
    }
  }
}

/// body(nodes) for blocks of kBlockNodes nodes, over threads.
template <class Body>
void for_blocks(const AttentionInputs& in, const Body& body) {
  constexpr std::int64_t kPieceNodes = 1024;
  constexpr auto kBlock = static_cast<std::int64_t>(kBlockNodes);
  parallel_pieces((in.nodes + kPieceNodes - 1) / kPieceNodes, [&](std::int64_t piece) {
    const std::int64_t end = std::min(in.nodes, (piece + 1) * kPieceNodes);
    for (std::int64_t j = piece * kPieceNodes; j < end; j += kBlock)
      body(RowRange{j, std::min(end, j + kBlock)});
  });
}

}  // namespace

void mask_tile_target(const AttentionInputs& in,
                      const ColumnTile& tile,
                      std::size_t stride,
                      void* rows) {
  with_storage(in.dtype, [&]<class S>(S) {
    for_blocks(in,
               [&](RowRange nodes) { mask_rows(in, tile, stride, static_cast<S*>(rows), nodes); });
  });
}

void kept_messages_target(const AttentionInputs& in, const ColumnTile& tile, std::uint64_t* bits) {
  for_blocks(in, [&](RowRange nodes) {
    block_bits<float>(in, tile, nodes.begin, nodes.end, bits + nodes.begin);
  });
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(mask_tile_target);
HWY_EXPORT(kept_messages_target);

TileRows pack_messages(const AttentionInputs& in,
                       const TableShape& table,
                       const ColumnTile& tile,
                       void* to) {
  const TileRows rows = pack_tile(table, tile, in.value, to);
  if (table.masked)
    HWY_DYNAMIC_DISPATCH(mask_tile_target)(in, tile, rows.stride, to);
  return rows;
}

std::size_t kept_messages_bytes(const AttentionInputs& in) {
  return in.message_dropout.probability > 0
             ? static_cast<std::size_t>(in.nodes) * sizeof(std::uint64_t)
             : 0;
}

void find_kept_messages(const AttentionInputs& in, const ColumnTile& tile, std::uint64_t* bits) {
  if (in.message_dropout.probability > 0)
    HWY_DYNAMIC_DISPATCH(kept_messages_target)(in, tile, bits);
}

}  // namespace regatta::cpu
#endif
