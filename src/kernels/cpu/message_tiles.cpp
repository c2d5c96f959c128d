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
#include "kernels/cpu/edge_chunks-inl.h"
#include "kernels/cpu/row_pieces.h"
#include "kernels/prepared_graph.h"

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

constexpr std::size_t kMostColumns = 64;  ///< four blocks of floats

template <class S>
void mask_rows(const AttentionInputs& in,
               const ColumnTile& tile,
               std::size_t stride,
               S* rows,
               RowRange nodes) {
  using W = Working<S>;
  const DropoutPlan<W> plan(in.message_dropout);
  const BlockTag<W> d;
  alignas(64) W factors[kMostColumns];
  for (std::int64_t j = nodes.begin; j < nodes.end; ++j) {
    message_factors(
        plan, in.graph->global_id[static_cast<std::size_t>(j)], tile.first, stride, factors);
    S* row = rows + static_cast<std::size_t>(j) * stride;
    for (std::size_t k = 0; k < stride; k += hn::Lanes(d))
      store_storage(
          hn::Mul(hn::Load(d, factors + k), load_storage(d, static_cast<const S*>(row) + k)),
          d,
          row + k);
  }
}

}  // namespace

void mask_tile_target(const AttentionInputs& in,
                      const ColumnTile& tile,
                      std::size_t stride,
                      void* rows) {
  constexpr std::int64_t kNodesPerPiece = 1024;
  with_storage(in.dtype, [&]<class S>(S) {
    parallel_pieces((in.nodes + kNodesPerPiece - 1) / kNodesPerPiece, [&](std::int64_t piece) {
      const std::int64_t begin = piece * kNodesPerPiece;
      mask_rows(in,
                tile,
                stride,
                static_cast<S*>(rows),
                {begin, std::min(in.nodes, begin + kNodesPerPiece)});
    });
  });
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(mask_tile_target);

TileRows pack_messages(const AttentionInputs& in,
                       const TableShape& table,
                       const ColumnTile& tile,
                       void* to) {
  const TileRows rows = pack_tile(table, tile, in.value, to);
  if (table.masked)
    HWY_DYNAMIC_DISPATCH(mask_tile_target)(in, tile, rows.stride, to);
  return rows;
}

}  // namespace regatta::cpu
#endif
