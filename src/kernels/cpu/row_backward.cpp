#include "kernels/cpu/row_backward.h"

#include "kernels/attention_checks.h"
#include "kernels/cpu/compact_tables.h"
#include "kernels/cpu/cpu_attention.h"
#include "kernels/cpu/edge_blocks.h"
#include "kernels/cpu/edge_softmax.h"
#include "kernels/cpu/leaky_sums.h"
#include "kernels/cpu/out_edges.h"
#include "kernels/cpu/output_gradient.h"
#include "kernels/cpu/tile_stores.h"
#include "kernels/cpu/workspace_parts.h"
#include "kernels/prepared_graph.h"
#include "kernels/storage_types.h"

#include <algorithm>

namespace regatta::cpu {
namespace {

std::size_t size(std::int64_t count) {
  return static_cast<std::size_t>(count);
}

/// The largest packed tile and sums of any pass that wait for others.
struct TileBytes {
  std::size_t packed = 0;
  std::size_t partial = 0;
  std::size_t bits = 0;    ///< an edge
  std::size_t places = 0;  ///< of tiles, as leaky_place counts them

  TileBytes(const AttentionInputs& in, const RowAttention& plan) {
    for (const HeadGroup& group : plan.logit_groups()) {
      const TableShape keys = plan.key_table(group);
      packed =
          std::max({packed, packed_tile_bytes(keys), packed_tile_bytes(plan.query_table(group))});
      if (plan.gatv2() || in.shares_table())
        partial = std::max({partial,
                            partial_bytes(in.nodes, keys),
                            partial_bytes(in.nodes, plan.query_table(group))});
      for (const HeadGroup& messages : plan.message_groups(group))
        packed = std::max({packed,
                           packed_tile_bytes(message_table(in, messages)),
                           packed_tile_bytes(plan.gradient_table(messages))});
    }
    if (plan.gatv2())
      of_leaky(in, plan);
    if (plan.by_blocks())
      of_blocks(in, plan);
  }

 private:
  void of_leaky(const AttentionInputs& in, const RowAttention& plan) {
    const TableShape table = plan.key_table(plan.logit_groups().front());
    const std::size_t working = working_bytes(in.dtype);
    bits = (SlopeBits::bytes(table) + working - 1) / working * working;
    places = leaky_place(table.end - table.begin + 64 / working_bytes(in.dtype) - 1, in.dtype);
  }

  /// All tiles of the widest group are on their way together.
  void of_blocks(const AttentionInputs& in, const RowAttention& plan) {
    const TableShape table = plan.key_table(plan.logit_groups().front());
    const std::size_t block = 64 / working_bytes(in.dtype);
    const std::size_t columns = (table.end - table.begin + block - 1) / block * block;
    packed = CompactTables::kSlots * plan.slot_bytes();
    partial = partial == 0 ? 0 : size(in.nodes) * columns * working_bytes(in.dtype);
  }
};

/// Products of the logits; with one table for both, p in `product` too.
void find_logits(const RowBackward& pass, const HeadGroup& group) {
  const AttentionInputs& in = pass.args.in;
  RowProducts products;
  products.product = pass.memory.logit;
  if (pass.plan.gatv2())
    products.bits = slope_bits(pass, group, pass.memory.record);
  if (pass.plan.one_table()) {
    products.second_rows = {pass.memory.gradient, size(in.heads * in.width)};
    products.second_product = pass.memory.product;
  }
  pass.plan.add_logit_products(group, products, pass.buffer, pass.passes);
}

/// p of the heads of a group in `to`, added to what is there with `add`.
void find_message_products(const RowBackward& pass, const HeadGroup& group, void* to, bool add) {
  const AttentionInputs& in = pass.args.in;
  RowProducts products;
  products.dtype = in.dtype;
  products.edges = pass.in_edges;
  products.group = group;
  products.width = size(in.width);
  products.rows = {pass.memory.gradient, size(in.heads * in.width)};
  products.product = to;
  products.add = add;
  const TableShape table = message_table(in, group);
  const auto [tiles, part_blocks] = pass.plan.product_tiles(table, products.width);
  products.part_blocks = part_blocks;
  for (const ColumnTile& tile : tiles) {
    products.tile = tile;
    products.table = pass.buffer.pack_messages(in, table, tile);
    pass.passes.add(row_products_pass(products));
    products.add = true;
  }
  if (pass.args.grad_edge_out != nullptr)
    pass.passes.add(feature_products_pass({&pass.args, pass.in_edges, group, to}));
}

/// The sum over heads of m p, for logits that all heads share.
void find_shared_products(const RowBackward& pass, const HeadGroup& group) {
  const AttentionInputs& in = pass.args.in;
  for (const HeadGroup& head : pass.plan.message_groups(group)) {
    const bool add = head.first > 0;
    const std::uint8_t* bits = pass.kept.of(head);
    if (bits == nullptr) {
      find_message_products(pass, {head.first, 1, 1}, pass.memory.product, add);
      continue;
    }
    void* of_head = pass.memory.record;  // free until the records are made
    find_message_products(pass, head, of_head, false);
    apply_head_factors({&in, head.first, bits, of_head, pass.memory.product, 1, add});
  }
}

void find_products(const RowBackward& pass, const HeadGroup& group) {
  // Logits come last: the gradient of the query begins with the tile they leave.
  if (pass.plan.shared_logits())
    find_shared_products(pass, group);
  else if (!pass.plan.one_table())
    find_message_products(pass, group, pass.memory.product, false);
  find_logits(pass, group);
  if (!pass.plan.shared_logits() && pass.plan.one_table() && pass.args.grad_edge_out != nullptr)
    pass.passes.add(feature_products_pass({&pass.args, pass.in_edges, group, pass.memory.product}));
}

void find_edge_gradients(const RowBackward& pass,
                         const HeadGroup& group,
                         const std::uint8_t* bits) {
  const RowBackwardMemory& memory = pass.memory;
  pass.passes.add(edge_gradients_pass({&pass.args,
                                       pass.in_edges,
                                       group,
                                       pass.plan.scale(),
                                       bits,
                                       memory.delta,
                                       memory.logit,
                                       memory.product,
                                       memory.record,
                                       record_bytes(pass, group)}));
}

void gradients_by_tiles(const RowBackward& pass, const HeadGroup& group) {
  find_products(pass, group);
  find_edge_gradients(pass, group, pass.plan.shared_logits() ? nullptr : pass.kept.of(group));
  if (pass.passes.meeting())
    meeting_row_gradients(pass, group);
  to_out_edges(pass, group);
  pass.plan.gatv2() ? gatv2_gradients(pass, group) : dot_gradients(pass, group);
}

/// Keeps the passes over a group that are added to `pass()`, and runs them by blocks.
class BlockRun {
 public:
  BlockRun(const RowBackward& all, const CompactTables& tables, const HeadGroup& group)
      : buffer_(tables),
        row_bytes_(all.plan.row_bytes(group)),
        pass_{all.args,
              all.plan,
              all.memory,
              all.in_edges,
              all.out_edges,
              all.kept,
              buffer_,
              passes_} {}

  const RowBackward& pass() const { return pass_; }
  /// Those added since the last run.
  void run(const EdgeLists& lists) { passes_.run_blocks(lists, row_bytes_); }

 private:
  TileBuffer buffer_;
  EdgePasses passes_{true};
  std::size_t row_bytes_;
  RowBackward pass_;
};

void source_gradients_by_blocks(const RowBackward& pass,
                                CompactTables& tables,
                                const HeadGroup& group) {
  BlockRun sources(pass, tables, group);
  if (!pass.plan.gatv2()) {
    tables.hold(0, pass.plan.query_table(group), pass.args.in.query);
    block_key_gradients(sources.pass(), group);
    if (!pass.plan.sources_meet())
      sources.run(pass.out_edges);
  }
  tables.hold(1, pass.plan.gradient_table(group), pass.memory.gradient);
  block_value_gradients(sources.pass(), group);
  sources.run(pass.out_edges);
}

void gradients_by_blocks(const RowBackward& pass, CompactTables& tables, const HeadGroup& group) {
  pass.plan.hold_sources(tables, group);
  BlockRun rows(pass, tables, group);
  find_products(rows.pass(), group);
  find_edge_gradients(rows.pass(), group, pass.kept.of(group));
  block_row_gradients(rows.pass(), group);
  rows.run(pass.in_edges);
  to_out_edges(pass, group);
  source_gradients_by_blocks(pass, tables, group);
  if (pass.plan.gatv2())
    merge_gatv2_gradients(pass, group);
}

}  // namespace

std::size_t record_bytes(const RowBackward& pass, const HeadGroup& group) {
  return 2 * group.stride * working_bytes(pass.args.in.dtype) + pass.memory.bits_bytes;
}

SlopeBits slope_bits(const RowBackward& pass, const HeadGroup& group, void* records) {
  const std::size_t bytes = record_bytes(pass, group);
  return {static_cast<std::uint8_t*>(records) + bytes - pass.memory.bits_bytes, bytes};
}

void to_out_edges(const RowBackward& pass, const HeadGroup& group) {
  reorder_edges(pass.args.in,
                pass.out_edges,
                record_bytes(pass, group),
                pass.memory.record,
                pass.memory.out_record);
}

RowBackwardMemory::RowBackwardMemory(const AttentionBackwardArgs& args) {
  const AttentionInputs& in = args.in;
  const RowAttention plan(in);
  const TileBytes tiles(in, plan);
  const std::size_t working = working_bytes(in.dtype);
  const std::size_t values = plan.stride() * working;
  const bool changed = args.epilogue.changes_gradient();
  WorkspaceParts parts(args.workspace);
  // The gradient of the residual is g itself.
  own_gradient = args.grad_residual;
  if (changed && own_gradient == nullptr)
    own_gradient = parts.take(size(in.rows * in.heads * in.width) * storage_bytes(in.dtype));
  gradient = changed ? own_gradient : args.grad_out;
  delta = parts.take(size(in.rows * in.heads) * working);
  bias_parts = parts.take(bias_parts_bytes(args));
  ends = static_cast<std::int64_t*>(
      parts.take(rows_are_prefix(in) ? size(in.nodes) * sizeof(std::int64_t) : 0));
  bits_bytes = tiles.bits;
  record = parts.take(size(edges_of(in)) * (2 * values + bits_bytes) + kWeightSlack);
  out_record = parts.take(size(out_edges_of(in)) * (2 * values + bits_bytes) + kWeightSlack);
  logit = out_record;
  product = static_cast<std::byte*>(out_record) + size(out_edges_of(in)) * values;
  kept = parts.take(KeptQuad::bytes(in));
  kept_messages = static_cast<std::uint64_t*>(parts.take(kept_messages_bytes(in)));
  partial = parts.take(tiles.partial);
  if (plan.gatv2()) {
    row_parts_bytes = leaky_parts_bytes(in_edge_lists(in), leaky_row_lines(in), in.dtype);
    source_parts_bytes = leaky_parts_bytes(all_out_edges(in), 1, in.dtype);
  }
  row_parts = parts.take(tiles.places * row_parts_bytes);
  source_parts = parts.take(tiles.places * source_parts_bytes);
  tile = parts.take(tiles.packed);
  bytes = parts.taken();
}

std::size_t row_backward_bytes(AttentionBackwardArgs args) {
  args.workspace = nullptr;
  return RowBackwardMemory(args).bytes;
}

void row_backward(const AttentionBackwardArgs& args) {
  const AttentionInputs& in = args.in;
  const RowAttention plan(in);
  const RowBackwardMemory memory(args);
  output_gradient({&args, memory.own_gradient, memory.delta, nullptr, memory.bias_parts});
  KeptQuad kept(in, memory.kept);
  TileBuffer buffer(memory.tile);
  EdgePasses passes(false);
  const RowBackward pass{
      args, plan, memory, in_edge_lists(in), out_edge_lists(in, memory.ends), kept, buffer, passes};
  CompactTables tables(memory.tile, plan.slot_bytes());
  for (const HeadGroup& group : plan.logit_groups())
    plan.by_blocks() ? gradients_by_blocks(pass, tables, group) : gradients_by_tiles(pass, group);
}

}  // namespace regatta::cpu
