#include "kernels/attention_checks.h"
#include "kernels/cpu/compact_tables.h"
#include "kernels/cpu/cpu_attention.h"
#include "kernels/cpu/edge_blocks.h"
#include "kernels/cpu/edge_softmax.h"
#include "kernels/cpu/out_edges.h"
#include "kernels/cpu/row_attention.h"
#include "kernels/cpu/tile_stores.h"
#include "kernels/cpu/workspace_parts.h"
#include "kernels/prepared_graph.h"
#include "kernels/storage_types.h"

#include <algorithm>
#include <ranges>

namespace regatta::cpu {
namespace {

struct RowForwardMemory {
  explicit RowForwardMemory(const AttentionForwardArgs& args) {
    const AttentionInputs& in = args.in;
    const RowAttention plan(in);
    const std::size_t edge_values =
        static_cast<std::size_t>(edges_of(in)) * working_bytes(in.dtype);
    WorkspaceParts parts(args.workspace);
    value = parts.take(edge_values * plan.stride() + kWeightSlack);
    const bool own = plan.shared_logits() && in.attention_dropout.probability > 0;
    weight = parts.take(own ? edge_values + kWeightSlack : 0);
    kept = parts.take(KeptQuad::bytes(in));
    std::size_t widest = 0;
    for (const HeadGroup& group : plan.logit_groups()) {
      widest = std::max(widest, packed_tile_bytes(plan.key_table(group)));
      for (const HeadGroup& messages : plan.message_groups(group))
        widest = std::max(widest, packed_tile_bytes(message_table(in, messages)));
    }
    tile = parts.take(plan.by_blocks() ? CompactTables::kSlots * plan.slot_bytes() : widest);
    bytes = parts.taken();
  }

  void* value;   ///< (w) [E,stride]: products, then weights
  void* weight;  ///< (w) [E] of one head, for shared logits with dropout
  void* kept;
  void* tile;  ///< by blocks, CompactTables
  std::size_t bytes;
};

/// What the passes of one forward share.
struct RowForward {
  const AttentionForwardArgs& args;
  const RowAttention& plan;
  const RowForwardMemory& memory;
  KeptQuad& kept;
  TileBuffer& buffer;
  EdgePasses& passes;
};

void find_logits(const RowForward& pass, const HeadGroup& group) {
  RowProducts products;
  products.product = pass.memory.value;
  pass.plan.add_logit_products(group, products, pass.buffer, pass.passes);
}

void find_weights(const RowForward& pass, const HeadGroup& group) {
  const std::uint8_t* bits = pass.plan.shared_logits() ? nullptr : pass.kept.of(group);
  pass.passes.add(edge_softmax_pass({&pass.args.in,
                                     in_edge_lists(pass.args.in),
                                     group,
                                     pass.plan.scale(),
                                     bits,
                                     pass.memory.value,
                                     pass.args.logsumexp}));
}

void sum_messages(const RowForward& pass, const HeadGroup& group, const void* weight) {
  const AttentionInputs& in = pass.args.in;
  const bool streamed =
      stored_past_caches(static_cast<std::size_t>(in.rows * in.heads * in.width), in.dtype);
  WeightedSums sums;
  sums.dtype = in.dtype;
  sums.edges = in_edge_lists(in);
  sums.group = group;
  sums.weight = weight;
  sums.width = static_cast<std::size_t>(in.width);
  sums.finish = output_store(in.dtype);
  sums.context = pass.passes.keep(OutputStore{&pass.args, streamed});
  const TableShape table = message_table(in, group);
  for (const ColumnTile& tile : std::views::reverse(sum_tiles(table, pass.plan.by_blocks()))) {
    sums.tile = tile;
    sums.table = pass.buffer.pack_messages(in, table, tile);
    sums.table.prefetch &= !pass.passes.meeting();  // else the products asked
    pass.passes.add(weighted_sums_pass(sums));
    if (pass.passes.meeting())
      pass.passes.run_blocks(sums.edges, packed_row_bytes(tile, in.dtype));
  }
}

/// Logits, softmax and sums of a block at a time: keys that are values too are fetched once.
void forward_by_blocks(const AttentionForwardArgs& args,
                       const RowAttention& plan,
                       const RowForwardMemory& memory,
                       KeptQuad& kept) {
  CompactTables tables(memory.tile, plan.slot_bytes());
  for (const HeadGroup& group : plan.logit_groups()) {
    plan.hold_sources(tables, group);
    TileBuffer buffer(tables);
    EdgePasses passes(true);
    const RowForward pass{args, plan, memory, kept, buffer, passes};
    find_logits(pass, group);
    find_weights(pass, group);
    sum_messages(pass, group, memory.value);
    passes.run_blocks(in_edge_lists(args.in), plan.row_bytes(group));
    if (args.edge_out != nullptr)
      sum_edge_features(args, group, memory.value);
  }
}

void forward_by_tiles(const AttentionForwardArgs& args,
                      const RowAttention& plan,
                      const RowForwardMemory& memory,
                      KeptQuad& kept) {
  const AttentionInputs& in = args.in;
  TileBuffer buffer(memory.tile);
  for (const HeadGroup& group : plan.logit_groups()) {
    EdgePasses passes(false);
    const RowForward pass{args, plan, memory, kept, buffer, passes};
    find_logits(pass, group);
    find_weights(pass, group);
    for (const HeadGroup& messages : plan.message_groups(group)) {
      const bool own = memory.weight != nullptr;
      const void* weight = own ? memory.weight : memory.value;
      if (own)
        apply_head_factors({&in, messages.first, kept.of(messages), memory.value, memory.weight});
      sum_messages(pass, messages, weight);
      if (args.edge_out != nullptr)
        sum_edge_features(args, messages, weight);
    }
  }
}

}  // namespace

std::size_t row_forward_bytes(AttentionForwardArgs args) {
  args.workspace = nullptr;
  return RowForwardMemory(args).bytes;
}

void row_forward(const AttentionForwardArgs& args) {
  const RowAttention plan(args.in);
  const RowForwardMemory memory(args);
  KeptQuad kept(args.in, memory.kept);
  plan.by_blocks() ? forward_by_blocks(args, plan, memory, kept)
                   : forward_by_tiles(args, plan, memory, kept);
}

}  // namespace regatta::cpu
