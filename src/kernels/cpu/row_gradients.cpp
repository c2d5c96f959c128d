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
#include <span>
#include <vector>

namespace regatta::cpu {
namespace {

std::size_t size(std::int64_t count) {
  return static_cast<std::size_t>(count);
}

/// What an edge's record weighs a row by.
enum class Weigh { kAttention, kGradient };

/// Whose edges are summed: in-edges of rows or out-edges of sources.
enum class Over { kRows, kSources };

const void* weights_of(const RowBackward& pass,
                       const HeadGroup& group,
                       const void* records,
                       Weigh weigh) {
  const std::size_t before = weigh == Weigh::kAttention ? 0 : group.stride;
  return static_cast<const std::byte*>(records) + before * working_bytes(pass.args.in.dtype);
}

WeightedSums sums_of(
    const RowBackward& pass, const HeadGroup& group, Over over, Weigh weigh, std::size_t width) {
  const RowBackwardMemory& memory = pass.memory;
  const bool rows = over == Over::kRows;
  WeightedSums sums;
  sums.dtype = pass.args.in.dtype;
  sums.edges = rows ? pass.in_edges : pass.out_edges;
  sums.group = group;
  sums.weight = weights_of(pass, group, rows ? memory.record : memory.out_record, weigh);
  sums.weight_stride = record_bytes(pass, group) / working_bytes(sums.dtype);
  sums.width = width;
  sums.finish = gradient_store(sums.dtype);
  return sums;
}

void run_sums(const RowBackward& pass, WeightedSums& sums, const GradientStore& store) {
  sums.table.prefetch &= !pass.passes.meeting();  // else the products asked
  sums.context = pass.passes.keep(store);
  pass.passes.add(weighted_sums_pass(sums));
}

/// The same for a store that may be masked by message dropout.
void run_message_sums(const RowBackward& pass, WeightedSums& sums, const GradientStore& store) {
  if (store.kept != nullptr)
    find_kept_messages(pass.args.in, sums.tile, nullptr, pass.memory.kept_messages);
  run_sums(pass, sums, store);
}

GradientStore store_to(const RowBackward& pass, void* rows, std::size_t row) {
  GradientStore store;
  store.dtype = pass.args.in.dtype;
  store.rows = rows;
  store.row = row;
  store.streamed = stored_past_caches(size(pass.args.in.rows) * row, store.dtype);
  return store;
}

/// Sums of a table's rows in a gradient of their own, by the last tiles first.
void sum_tiles_of(const RowBackward& pass,
                  WeightedSums sums,
                  const TableShape& table,
                  const void* rows,
                  const GradientStore& store,
                  std::span<const ColumnTile> tiles) {
  if (store.rows == nullptr)
    return;
  for (const ColumnTile& tile : std::views::reverse(tiles)) {
    sums.tile = tile;
    sums.table = pass.buffer.pack(table, tile, rows);
    run_message_sums(pass, sums, store);
  }
}

void sum_table(const RowBackward& pass,
               const WeightedSums& sums,
               const TableShape& table,
               const void* rows,
               const GradientStore& store) {
  sum_tiles_of(pass, sums, table, rows, store, sum_tiles(table, pass.plan.by_blocks()));
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

/// Sums that wait for others of their tile.
GradientStore partial_store(const RowBackward& pass,
                            const TableShape& table,
                            const ColumnTile& tile) {
  const AttentionInputs& in = pass.args.in;
  GradientStore store = store_to(pass, nullptr, 0);
  // By blocks the tiles of a block follow each other, and other threads are at other blocks.
  const std::size_t before = pass.plan.by_blocks() ? tile.first - table.begin : 0;
  store.partial = static_cast<std::byte*>(pass.memory.partial) +
                  size(in.nodes) * before * working_bytes(in.dtype);
  return store;
}

/// The last of a tile's sums.
GradientStore final_store(const RowBackward& pass, const GradientStore& partial) {
  GradientStore last = message_store(pass);
  last.partial = partial.partial;
  last.add = true;
  return last;
}

/// q = k = v: each tile's three sums meet in `partial` and are stored once.
class SharedTable {
 public:
  SharedTable(const RowBackward& pass, const HeadGroup& group)
      : pass_(pass),
        group_(group),
        table_(pass.plan.key_table(group)),
        gradients_(pass.plan.gradient_table(group)) {}

  std::vector<ColumnTile> tiles() const { return sum_tiles(table_, pass_.plan.by_blocks()); }

  void row_sums(const ColumnTile& tile) const {
    clear_sources(tile);
    WeightedSums queries = sums(Over::kRows, Weigh::kGradient, tile);
    queries.table = pass_.buffer.pack(table_, tile, pass_.args.in.value);
    run_sums(pass_, queries, partial_store(pass_, table_, tile));
  }

  void key_sums(const ColumnTile& tile) const {
    GradientStore more = partial_store(pass_, table_, tile);
    more.add = true;
    WeightedSums keys = sums(Over::kSources, Weigh::kGradient, tile);
    keys.table = pass_.buffer.pack(table_, tile, pass_.args.in.value);
    run_sums(pass_, keys, more);
  }

  void value_sums(const ColumnTile& tile) const {
    WeightedSums values = sums(Over::kSources, Weigh::kAttention, tile);
    values.table = pass_.buffer.pack(gradients_, tile, pass_.memory.gradient);
    run_message_sums(pass_, values, final_store(pass_, partial_store(pass_, table_, tile)));
  }

 private:
  /// Sources that are no rows have no sum as query.
  void clear_sources(const ColumnTile& tile) const {
    const AttentionInputs& in = pass_.args.in;
    const std::size_t item = tile.blocks * 64;
    std::memset(
        static_cast<std::byte*>(partial_store(pass_, table_, tile).partial) + size(in.rows) * item,
        0,
        size(in.nodes - in.rows) * item);
  }

  WeightedSums sums(Over over, Weigh weigh, const ColumnTile& tile) const {
    WeightedSums sums = sums_of(pass_, group_, over, weigh, size(pass_.args.in.width));
    sums.tile = tile;
    return sums;
  }

  const RowBackward& pass_;
  HeadGroup group_;
  TableShape table_;
  TableShape gradients_;
};

void query_gradient(const RowBackward& pass,
                    const HeadGroup& group,
                    std::span<const ColumnTile> tiles) {
  sum_tiles_of(pass,
               sums_of(pass, group, Over::kRows, Weigh::kGradient, pass.plan.logit_width()),
               pass.plan.key_table(group),
               pass.args.in.key,
               store_to(pass, pass.args.grad_query, pass.plan.logit_row()),
               tiles);
}

void key_gradient(const RowBackward& pass, const HeadGroup& group) {
  sum_table(pass,
            sums_of(pass, group, Over::kSources, Weigh::kGradient, pass.plan.logit_width()),
            pass.plan.query_table(group),
            pass.args.in.query,
            store_to(pass, pass.args.grad_key, pass.plan.logit_row()));
}

void value_gradient(const RowBackward& pass, const HeadGroup& group) {
  const AttentionInputs& in = pass.args.in;
  const RowBackwardMemory& memory = pass.memory;
  for (const HeadGroup& messages : pass.plan.message_groups(group)) {
    const std::uint8_t* bits = pass.plan.shared_logits() ? pass.kept.of(messages) : nullptr;
    if (bits != nullptr) {  // the gradients have served
      void* weighed = static_cast<std::byte*>(memory.record) + working_bytes(in.dtype);
      apply_head_factors({&in, messages.first, bits, memory.record, weighed, 2});
      to_out_edges(pass, {0, 1, 1});
    }
    sum_table(pass,
              sums_of(pass,
                      messages,
                      Over::kSources,
                      bits == nullptr ? Weigh::kAttention : Weigh::kGradient,
                      size(in.width)),
              pass.plan.gradient_table(messages),
              memory.gradient,
              message_store(pass));
  }
}

std::vector<ColumnTile> key_tiles(const RowBackward& pass, const HeadGroup& group) {
  return sum_tiles(pass.plan.key_table(group), pass.plan.by_blocks());
}

LeakySums leaky_of(const RowBackward& pass, const HeadGroup& group, const ColumnTile& tile) {
  LeakySums sums;
  sums.dtype = pass.args.in.dtype;
  sums.group = group;
  sums.tile = tile;
  sums.weight_stride = record_bytes(pass, group) / working_bytes(sums.dtype);
  sums.width = size(pass.args.in.width);
  sums.leaky = pass.plan.leaky_terms();
  sums.finish = gradient_store(sums.dtype);
  return sums;
}

/// Those of a tile among the parts of a group's tiles, `bytes` each.
void* parts_of(const RowBackward& pass,
               const HeadGroup& group,
               const ColumnTile& tile,
               void* parts,
               std::size_t bytes) {
  const std::size_t before = tile.first - pass.plan.key_table(group).begin;
  return static_cast<std::byte*>(parts) + bytes * leaky_place(before, pass.args.in.dtype);
}

LeakySums leaky_row_sums(const RowBackward& pass, const HeadGroup& group, const ColumnTile& tile) {
  LeakySums sums = leaky_of(pass, group, tile);
  sums.edges = pass.in_edges;
  sums.weight = weights_of(pass, group, pass.memory.record, Weigh::kGradient);
  sums.bits = slope_bits(pass, group, pass.memory.record);
  sums.rows = {pass.args.in.query, pass.plan.logit_row()};
  sums.parts = parts_of(pass, group, tile, pass.memory.row_parts, pass.memory.row_parts_bytes);
  return sums;
}

LeakySums leaky_source_sums(const RowBackward& pass,
                            const HeadGroup& group,
                            const ColumnTile& tile) {
  LeakySums sums = leaky_of(pass, group, tile);
  sums.edges = pass.out_edges;
  sums.weight = weights_of(pass, group, pass.memory.out_record, Weigh::kGradient);
  sums.bits = slope_bits(pass, group, pass.memory.out_record);
  sums.rows = {pass.args.in.value, pass.plan.logit_row()};
  sums.leaky.weight = nullptr;
  sums.parts =
      parts_of(pass, group, tile, pass.memory.source_parts, pass.memory.source_parts_bytes);
  return sums;
}

/// Gradient of l.
void gatv2_row_gradients(const RowBackward& pass, const HeadGroup& group, const ColumnTile& tile) {
  LeakySums sums = leaky_row_sums(pass, group, tile);
  GradientStore store = store_to(pass, pass.args.grad_query, pass.plan.logit_row());
  store.vector = pass.args.in.attention_vector;
  sums.context = pass.passes.keep(store);
  pass.passes.add(leaky_sums_pass(sums));
}

/// Gradient of r: as source of a logit and as message.
void gatv2_source_gradients(const RowBackward& pass, const HeadGroup& group) {
  const AttentionInputs& in = pass.args.in;
  WeightedSums messages = sums_of(pass, group, Over::kSources, Weigh::kAttention, size(in.width));
  const TableShape gradients = pass.plan.gradient_table(group);
  for (const ColumnTile& tile : std::views::reverse(key_tiles(pass, group))) {
    GradientStore partial = partial_store(pass, pass.plan.key_table(group), tile);
    const GradientStore last = final_store(pass, partial);
    partial.vector = in.attention_vector;
    LeakySums logits = leaky_source_sums(pass, group, tile);
    logits.context = pass.passes.keep(partial);
    pass.passes.add(leaky_sums_pass(logits));
    messages.tile = tile;
    messages.table = pass.buffer.pack(gradients, tile, pass.memory.gradient);
    run_message_sums(pass, messages, last);
  }
}

}  // namespace

void dot_gradients(const RowBackward& pass, const HeadGroup& group) {
  if (pass.args.in.shares_table()) {
    const SharedTable shared(pass, group);
    bool rows_are_there = pass.plan.meets_in_a_tile();
    for (const ColumnTile& tile : std::views::reverse(shared.tiles())) {
      if (!rows_are_there)
        shared.row_sums(tile);
      rows_are_there = false;
      shared.key_sums(tile);
      shared.value_sums(tile);
    }
    return;
  }
  std::vector<ColumnTile> tiles = key_tiles(pass, group);
  if (pass.plan.meets_in_a_tile())
    tiles.pop_back();
  query_gradient(pass, group, tiles);
  key_gradient(pass, group);
  value_gradient(pass, group);
}

void meeting_row_gradients(const RowBackward& pass, const HeadGroup& group) {
  const std::vector<ColumnTile> tiles = key_tiles(pass, group);
  if (pass.plan.gatv2())  // slopes are bits: no tile is fetched
    for (const ColumnTile& tile : tiles) gatv2_row_gradients(pass, group, tile);
  else if (pass.args.in.shares_table())
    SharedTable(pass, group).row_sums(tiles.back());
  else
    query_gradient(pass, group, {&tiles.back(), 1});
  pass.passes.run_blocks(pass.in_edges, packed_row_bytes(tiles.back(), pass.args.in.dtype));
}

void gatv2_gradients(const RowBackward& pass, const HeadGroup& group) {
  if (!pass.plan.meets_in_a_tile())
    for (const ColumnTile& tile : key_tiles(pass, group)) gatv2_row_gradients(pass, group, tile);
  gatv2_source_gradients(pass, group);
  merge_gatv2_gradients(pass, group);
}

void merge_gatv2_gradients(const RowBackward& pass, const HeadGroup& group) {
  for (const ColumnTile& tile : key_tiles(pass, group))
    merge_leaky_parts(
        pass.args, leaky_row_sums(pass, group, tile), leaky_source_sums(pass, group, tile));
}

void block_row_gradients(const RowBackward& pass, const HeadGroup& group) {
  if (!pass.plan.gatv2() && !pass.args.in.shares_table())
    return query_gradient(pass, group, key_tiles(pass, group));
  for (const ColumnTile& tile : std::views::reverse(key_tiles(pass, group)))
    pass.plan.gatv2() ? gatv2_row_gradients(pass, group, tile)
                      : SharedTable(pass, group).row_sums(tile);
}

void block_key_gradients(const RowBackward& pass, const HeadGroup& group) {
  if (!pass.args.in.shares_table())
    return key_gradient(pass, group);
  const SharedTable shared(pass, group);
  for (const ColumnTile& tile : shared.tiles()) shared.key_sums(tile);
}

void block_value_gradients(const RowBackward& pass, const HeadGroup& group) {
  if (pass.plan.gatv2())
    return gatv2_source_gradients(pass, group);
  if (!pass.args.in.shares_table())
    return value_gradient(pass, group);
  const SharedTable shared(pass, group);
  for (const ColumnTile& tile : shared.tiles()) shared.value_sums(tile);
}

}  // namespace regatta::cpu
