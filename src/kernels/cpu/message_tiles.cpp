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
#include "kernels/storage_types.h"

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

/// Where the bits of a tile's columns stand among those of all columns.
class TileBits {
 public:
  TileBits(const AttentionInputs& in, const ColumnTile& tile)
      : words_(KeptBits::message_words(in.heads * in.width)),
        word_(static_cast<std::int64_t>(tile.first / 64)),
        shift_(tile.first % 64),
        two_(shift_ + tile.count > 64) {}

  /// The tiles before have filled the bits below.
  void put(std::int64_t node, std::uint64_t bits, std::uint64_t* all) const {
    std::uint64_t* to = all + node * words_ + word_;
    to[0] = shift_ == 0 ? bits : to[0] | bits << shift_;
    if (two_)
      to[1] = bits >> (64 - shift_);
  }
  /// Columns past the tile may set bits too.
  std::uint64_t get(std::int64_t node, const std::uint64_t* all) const {
    const std::uint64_t* from = all + node * words_ + word_;
    return two_ ? from[0] >> shift_ | from[1] << (64 - shift_) : from[0] >> shift_;
  }

 private:
  std::int64_t words_, word_;
  std::size_t shift_;
  bool two_;
};

/// `to` gets rows of `stride` elements, zeros beyond the tile's columns.
template <class S>
void mask_rows(const AttentionInputs& in,
               const ColumnTile& tile,
               std::size_t stride,
               S* to,
               std::uint64_t* kept,
               RowRange nodes) {
  using W = Working<S>;
  const DropoutPlan<W> plan(in.message_dropout);
  const BlockTag<W> d;
  const auto scale = hn::Set(d, plan.scale);
  std::uint64_t bits[kBlockNodes];
  block_bits<W>(in, tile, nodes.begin, nodes.end, bits);
  if (kept != nullptr) {
    const TileBits place(in, tile);
    for (std::int64_t j = nodes.begin; j < nodes.end; ++j)
      place.put(j, bits[j - nodes.begin], kept);
  }
  const auto width = static_cast<std::size_t>(in.heads * in.width);
  const S* from = static_cast<const S*>(in.value) + tile.first;
  for (std::int64_t j = nodes.begin; j < nodes.end; ++j) {
    const S* row = from + static_cast<std::size_t>(j) * width;
    S* masked = to + static_cast<std::size_t>(j) * stride;
    for (std::size_t k = 0; k < stride; k += hn::Lanes(d)) {
      const auto x = k < tile.count ? load_storage_n(d, row + k, tile.count - k) : hn::Zero(d);
      store_storage(kept_lanes(d, bits[j - nodes.begin], k, hn::Mul(scale, x)), d, masked + k);
    }
  }
}

/// body(nodes) for blocks of kBlockNodes nodes, over threads.
template <class Body>
void for_blocks(const AttentionInputs& in, const Body& body) {
  constexpr std::int64_t kPieceNodes = 512;
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
                      void* to,
                      std::uint64_t* kept) {
  with_storage(in.dtype, [&]<class S>(S) {
    for_blocks(
        in, [&](RowRange nodes) { mask_rows(in, tile, stride, static_cast<S*>(to), kept, nodes); });
  });
}

void kept_messages_target(const AttentionInputs& in,
                          const ColumnTile& tile,
                          const std::uint64_t* kept,
                          std::uint64_t* bits) {
  const TileBits place(in, tile);
  for_blocks(in, [&](RowRange nodes) {
    if (kept != nullptr)
      for (std::int64_t j = nodes.begin; j < nodes.end; ++j) bits[j] = place.get(j, kept);
    else
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
                       void* to,
                       std::uint64_t* kept) {
  if (!table.masked)
    return pack_tile(table, tile, in.value, to);
  const std::size_t stride = tile.blocks * (64 / working_bytes(in.dtype));
  HWY_DYNAMIC_DISPATCH(mask_tile_target)(in, tile, stride, to, kept);
  return {to, stride, true};
}

std::size_t kept_messages_bytes(const AttentionInputs& in) {
  return in.message_dropout.probability > 0
             ? static_cast<std::size_t>(in.nodes) * sizeof(std::uint64_t)
             : 0;
}

void find_kept_messages(const AttentionInputs& in,
                        const ColumnTile& tile,
                        const std::uint64_t* kept,
                        std::uint64_t* bits) {
  if (in.message_dropout.probability > 0)
    HWY_DYNAMIC_DISPATCH(kept_messages_target)(in, tile, kept, bits);
}

}  // namespace regatta::cpu
#endif
