// The sums that end a backward: over in-edges for the rows, over out-edges for the sources.
#include "kernels/cpu/edge_softmax.h"
#include "kernels/cpu/leaky_sums.h"
#include "kernels/cpu/out_edges.h"
#include "kernels/cpu/row_backward.h"
#include "kernels/cpu/tile_stores.h"
#include "kernels/prepared_graph.h"
#include "kernels/storage_types.h"

#include <cstring>
#include <ranges>

namespace regatta::cpu {
namespace {

std::size_t size(std::int64_t count) {
  return static_cast<std::size_t>(count);
}

WeightedSums sums_of(const RowBackward& pass,
                     const HeadGroup& group,
                     const EdgeLists& edges,
                     const void* weight,
                     std::size_t width) {
  WeightedSums sums;
  sums.dtype = pass.args.in.dtype;
  sums.edges = edges;
  sums.group = group;
  sums.weight = weight;
  sums.width = width;
  sums.finish = gradient_store(sums.dtype);
  return sums;
}

void run_sums(WeightedSums& sums, const GradientStore& store) {
  sums.context = &store;
  weighted_sums(sums);
}

/// The same for a store that may be masked by message dropout.
void run_message_sums(const RowBackward& pass, WeightedSums& sums, const GradientStore& store) {
  if (store.kept != nullptr)
    find_kept_messages(pass.args.in, sums.tile, nullptr, pass.memory.kept_messages);
  run_sums(sums, store);
}

GradientStore store_to(const RowBackward& pass, void* rows, std::size_t row) {
  GradientStore store;
  store.dtype = pass.args.in.dtype;
  store.rows = rows;
  store.row = row;
  store.streamed = stored_past_caches(size(pass.args.in.rows) * row, store.dtype);
  return store;
}

/// Sums of a table's rows in a gradient of their own.
void sum_table(const RowBackward& pass,
               WeightedSums sums,
               const TableShape& table,
               const void* rows,
               const GradientStore& store) {
  if (store.rows == nullptr)
    return;
  for (const ColumnTile& tile : std::views::reverse(column_tiles(table))) {
    sums.tile = tile;
    sums.table = pass.buffer.pack(table, tile, rows);
    run_message_sums(pass, sums, store);
  }
}

GradientStore message_store(const RowBackward& pass) {
  const AttentionInputs& in = pass.args.in;
  GradientStore store = store_to(pass, pass.args.grad_value, size(in.heads * in.width));
  if (in.message_dropout.probability > 0) {
    store.kept = pass.memory.kept_messages;
    store.kept_scale = 1 / (1 - in.message_dropout.probability);
  }
  return store;
}

/// q = k = v: each tile's three sums meet in `partial` and are stored once.
void shared_table_gradients(const RowBackward& pass, const HeadGroup& group) {
  const AttentionInputs& in = pass.args.in;
  const RowBackwardMemory& memory = pass.memory;
  const std::size_t width = size(in.width);
  WeightedSums queries = sums_of(pass, group, pass.in_edges, memory.product, width);
  WeightedSums keys = sums_of(pass, group, pass.out_edges, memory.out_product, width);
  WeightedSums values = sums_of(pass, group, pass.out_edges, memory.out_value, width);
  GradientStore partial = store_to(pass, nullptr, 0);
  partial.partial = memory.partial;
  GradientStore more = partial;
  more.add = true;
  GradientStore last = message_store(pass);
  last.partial = memory.partial;
  last.add = true;
  const TableShape table = pass.plan.key_table(group);
  const TableShape gradients = pass.plan.gradient_table(group);
  const std::size_t past_rows = size(in.nodes - in.rows) * 64;
  for (const ColumnTile& tile : std::views::reverse(column_tiles(table))) {
    queries.tile = keys.tile = values.tile = tile;
    std::memset(static_cast<std::byte*>(memory.partial) + size(in.rows) * tile.blocks * 64,
                0,
                past_rows * tile.blocks);
    queries.table = keys.table = pass.buffer.pack(table, tile, in.value);
    run_sums(queries, partial);
    run_sums(keys, more);
    values.table = pass.buffer.pack(gradients, tile, memory.gradient);
    run_message_sums(pass, values, last);
  }
}

void query_and_key_gradients(const RowBackward& pass, const HeadGroup& group) {
  const AttentionBackwardArgs& args = pass.args;
  const std::size_t row = pass.plan.logit_row();
  const std::size_t width = pass.plan.logit_width();
  sum_table(pass,
            sums_of(pass, group, pass.in_edges, pass.memory.product, width),
            pass.plan.key_table(group),
            args.in.key,
            store_to(pass, args.grad_query, row));
  sum_table(pass,
            sums_of(pass, group, pass.out_edges, pass.memory.out_product, width),
            pass.plan.query_table(group),
            args.in.query,
            store_to(pass, args.grad_key, row));
}

void value_gradient(const RowBackward& pass, const HeadGroup& group) {
  const AttentionInputs& in = pass.args.in;
  const RowBackwardMemory& memory = pass.memory;
  for (const HeadGroup& messages : pass.plan.message_groups(group)) {
    const std::uint8_t* bits = pass.plan.shared_logits() ? pass.kept.of(messages) : nullptr;
    if (bits != nullptr) {  // `product` has served
      apply_head_factors({&in, messages.first, bits, memory.value, memory.product});
      const EdgeCopy copy{memory.product, memory.out_value};
      reorder_edges(in, pass.out_edges, working_bytes(in.dtype), copy, copy);
    }
    sum_table(pass,
              sums_of(pass, messages, pass.out_edges, memory.out_value, size(in.width)),
              pass.plan.gradient_table(messages),
              memory.gradient,
              message_store(pass));
  }
}

LeakySums leaky_of(const RowBackward& pass, const HeadGroup& group) {
  LeakySums sums;
  sums.dtype = pass.args.in.dtype;
  sums.group = group;
  sums.width = size(pass.args.in.width);
  sums.leaky = pass.plan.leaky_terms();
  sums.finish = gradient_store(sums.dtype);
  return sums;
}

/// Gradients of l, of a and of the edges' weight.
void gatv2_row_gradients(const RowBackward& pass, const HeadGroup& group) {
  const AttentionInputs& in = pass.args.in;
  LeakySums sums = leaky_of(pass, group);
  sums.edges = pass.in_edges;
  sums.weight = pass.memory.product;
  sums.rows = {in.query, pass.plan.logit_row()};
  sums.parts = pass.memory.leaky_parts;
  GradientStore store = store_to(pass, pass.args.grad_query, pass.plan.logit_row());
  store.vector = in.attention_vector;
  sums.context = &store;
  const TableShape table = pass.plan.key_table(group);
  for (const ColumnTile& tile : std::views::reverse(column_tiles(table))) {
    sums.tile = tile;
    sums.table = pass.buffer.pack(table, tile, in.value);
    leaky_sums(sums);
    merge_leaky_parts(pass.args, sums);
  }
}

/// Gradient of r: as source of a logit and as message.
void gatv2_source_gradients(const RowBackward& pass, const HeadGroup& group) {
  const AttentionInputs& in = pass.args.in;
  LeakySums logits = leaky_of(pass, group);
  logits.edges = pass.out_edges;
  logits.weight = pass.memory.out_product;
  logits.rows = {in.value, pass.plan.logit_row()};
  logits.leaky.edge = in.graph->out_edge.data();
  WeightedSums messages =
      sums_of(pass, group, pass.out_edges, pass.memory.out_value, size(in.width));
  GradientStore partial = store_to(pass, nullptr, 0);
  partial.partial = pass.memory.partial;
  partial.vector = in.attention_vector;
  logits.context = &partial;
  GradientStore last = message_store(pass);
  last.partial = pass.memory.partial;
  last.add = true;
  const TableShape table = pass.plan.query_table(group);
  const TableShape gradients = pass.plan.gradient_table(group);
  for (const ColumnTile& tile : std::views::reverse(column_tiles(table))) {
    logits.tile = messages.tile = tile;
    logits.table = pass.buffer.pack(table, tile, in.query);
    leaky_sums(logits);
    messages.table = pass.buffer.pack(gradients, tile, pass.memory.gradient);
    run_message_sums(pass, messages, last);
  }
}

}  // namespace

void dot_gradients(const RowBackward& pass, const HeadGroup& group) {
  if (pass.args.in.shares_table())
    return shared_table_gradients(pass, group);
  query_and_key_gradients(pass, group);
  value_gradient(pass, group);
}

void gatv2_gradients(const RowBackward& pass, const HeadGroup& group) {
  gatv2_row_gradients(pass, group);
  gatv2_source_gradients(pass, group);
}

}  // namespace regatta::cpu
