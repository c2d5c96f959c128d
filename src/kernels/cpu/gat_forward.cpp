// GAT forward: softmax from scalars alone, then one gather of z an edge and tile.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/gat_forward.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "kernels/attention_checks.h"
#include "kernels/cpu/cpu_attention.h"
#include "kernels/cpu/edge_blocks.h"
#include "kernels/cpu/epilogue-inl.h"
#include "kernels/cpu/gat_sum_tiles.h"
#include "kernels/cpu/gat_weights.h"
#include "kernels/cpu/kept_edges.h"
#include "kernels/cpu/out_edges.h"
#include "kernels/cpu/tile_lanes-inl.h"
#include "kernels/cpu/weighted_sums.h"
#include "kernels/cpu/workspace_parts.h"
#include "kernels/prepared_graph.h"

#include <algorithm>

#ifndef REGATTA_GAT_FORWARD_ONCE
#define REGATTA_GAT_FORWARD_ONCE
namespace regatta::cpu {

/// Memory of a forward pass.
struct GatForwardMemory {
  explicit GatForwardMemory(const AttentionForwardArgs& args) {
    const AttentionInputs& in = args.in;
    const std::size_t working = working_bytes(in.dtype);
    const std::vector<HeadGroup> groups = gat_head_groups(in);
    WorkspaceParts parts(args.workspace);
    weight = parts.take(static_cast<std::size_t>(edges_of(in)) * groups.front().stride * working +
                        kWeightSlack);
    positive =
        parts.take(args.correction == nullptr
                       ? 0
                       : static_cast<std::size_t>(in.rows * in.heads) * working + kWeightSlack);
    std::size_t widest = 0;
    for (const HeadGroup& group : groups)
      widest = std::max(widest,
                        GatSumTiles(in, message_table(in, group), in_edge_lists(in)).packed_bytes);
    tile = parts.take(widest);
    const bool drawn = in.attention_dropout.probability > 0 && args.kept.edges == nullptr;
    kept_edges = static_cast<std::uint8_t*>(
        parts.take(drawn ? kept_edges_bytes(groups.front(), edges_of(in)) : 0));
    bytes = parts.taken();
  }

  /// Bits of attention dropout for the edges of a group.
  std::uint8_t* kept(const AttentionForwardArgs& args, const HeadGroup& group) const {
    if (args.kept.edges == nullptr)
      return kept_edges;
    return args.kept.edges + group.first / kQuadHeads * static_cast<std::size_t>(edges_of(args.in));
  }

  void* weight;    ///< [E,stride], of one group at a time
  void* positive;  ///< A+ [R,H]
  void* tile;
  std::uint8_t* kept_edges;  ///< of one group at a time; where the backward does not want them
  std::size_t bytes;
};

}  // namespace regatta::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

/// Stores a row's sums over a tile: O, C and y.
template <class S>
class StoreRow {
  using W = Working<S>;

 public:
  /// `positive` holds kWeightSlack bytes more.
  StoreRow(const AttentionForwardArgs& args,
           const HeadGroup& group,
           const ColumnTile& tile,
           const void* positive)
      : args_(args),
        tile_heads_(tile, group, static_cast<std::size_t>(args.in.width)),
        width_(static_cast<std::size_t>(args.in.width)),
        heads_(static_cast<std::size_t>(args.in.heads)),
        out_(static_cast<S*>(args.out)),
        correction_(static_cast<S*>(args.correction)),
        positive_(static_cast<const W*>(positive) + group.first),
        streamed_(stored_past_caches(static_cast<std::size_t>(args.in.rows) * heads_ * width_,
                                     args.in.dtype)) {}

  static void finish(const void* context,
                     std::int64_t item,
                     const ColumnTile& tile,
                     const void* first,
                     const void* second) {
    static_cast<const StoreRow*>(context)->store(static_cast<std::size_t>(item),
                                                 tile,
                                                 static_cast<const W*>(first),
                                                 static_cast<const W*>(second));
  }

 private:
  HWY_INLINE void store(std::size_t i,
                        const ColumnTile& tile,
                        const W* o,
                        const W* positive) const {
    const BlockTag<W> d;
    const std::size_t row = i * heads_ * width_;
    if (out_ != nullptr)
      for (std::size_t k = 0; k < tile.count; k += hn::Lanes(d))
        stream_storage_n(
            hn::Load(d, o + k), d, out_ + row + tile.first + k, tile.count - k, streamed_);
    if (args_.epilogue.y != nullptr)
      store_epilogue<S>(args_.epilogue, row, tile.first, tile.count, o, streamed_);
    if (correction_ == nullptr)
      return;
    for (std::size_t k = 0; k < tile.count; k += hn::Lanes(d)) {
      const auto share = tile_heads_.of(d, positive_ + i * heads_, k / hn::Lanes(d));
      const auto c = hn::NegMulAdd(share, hn::Load(d, o + k), hn::Load(d, positive + k));
      stream_storage_n(c, d, correction_ + row + tile.first + k, tile.count - k, streamed_);
    }
  }

  const AttentionForwardArgs& args_;
  TileWeights<W, kMostTileColumns> tile_heads_;
  std::size_t width_, heads_;
  S* out_;
  S* correction_;
  const W* positive_;
  bool streamed_;
};

template <class S>
void run(const AttentionForwardArgs& args) {
  const AttentionInputs& in = args.in;
  const GatForwardMemory memory(args);
  WeightedSums sums;
  sums.dtype = in.dtype;
  sums.edges = in_edge_lists(in);
  sums.weight = memory.weight;
  sums.use = args.correction == nullptr ? WeightUse::kMagnitude : WeightUse::kMagnitudeAndSecond;
  sums.second = 0;
  sums.width = static_cast<std::size_t>(in.width);
  sums.finish = &StoreRow<S>::finish;
  for (const HeadGroup& group : gat_head_groups(in)) {
    gat_row_weights(
        {&in, group, memory.weight, args.logsumexp, memory.positive, memory.kept(args, group)});
    sums.group = group;
    const TableShape table = message_table(in, group);
    const GatSumTiles plan(in, table, sums.edges);
    EdgePasses passes(plan.in_place);
    for (const ColumnTile& tile : plan.tiles) {
      sums.context = passes.keep(StoreRow<S>(args, group, tile, memory.positive));
      sums.tile = tile;
      sums.table = pack_messages(in, table, tile, memory.tile, args.kept.messages);
      passes.add(weighted_sums_pass(sums));
    }
    passes.run_blocks(sums.edges, plan.row_bytes);
  }
}

}  // namespace

void gat_forward_target(const AttentionForwardArgs& args) {
  with_storage(args.in.dtype, [&]<class S>(S) { run<S>(args); });
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(gat_forward_target);

std::size_t gat_forward_bytes(AttentionForwardArgs args) {
  args.workspace = nullptr;
  return GatForwardMemory(args).bytes;
}

void gat_forward(const AttentionForwardArgs& args) {
  HWY_DYNAMIC_DISPATCH(gat_forward_target)(args);
}

}  // namespace regatta::cpu
#endif
