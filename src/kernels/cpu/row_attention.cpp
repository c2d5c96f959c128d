#include "kernels/cpu/row_attention.h"

#include "kernels/attention_checks.h"
#include "kernels/cpu/compact_tables.h"
#include "kernels/cpu/kept_edges.h"
#include "kernels/cpu/out_edges.h"
#include "kernels/prepared_graph.h"
#include "kernels/storage_types.h"

#include <algorithm>

namespace regatta::cpu {
namespace {

std::size_t size(std::int64_t count) {
  return static_cast<std::size_t>(count);
}

/// One head at a time where a head fills a block: its weights then lie without gaps.
std::vector<HeadGroup> groups_of(const AttentionInputs& in) {
  const std::size_t width = size(in.width);
  if (width * working_bytes(in.dtype) < 64)
    return head_groups(size(in.heads));
  std::vector<HeadGroup> groups;
  for (std::size_t h = 0; h < size(in.heads); ++h) groups.push_back({h, 1, 1});
  return groups;
}

}  // namespace

RowAttention::RowAttention(const AttentionInputs& in)
    : in_(in),
      logits_(groups_of(in)),
      shared_logits_(in.logit_heads() != in.heads),
      one_table_(in.message_dropout.probability == 0 &&
                 (in.kind == AttentionKind::kGatv2 ||
                  (in.key == in.value && !shared_logits_ && in.logit_width() == in.width))) {
  if (shared_logits_)
    logits_ = {{0, 1, 1}};
  const HeadGroup& widest = logits_.front();
  for (const TableShape& table :
       {key_table(widest), query_table(widest), message_table(in, widest), gradient_table(widest)})
    slot_bytes_ = std::max(slot_bytes_, CompactTables::bytes(table));
  // Tables that are read where they lie are small: a pass over all items fetches as fast.
  by_blocks_ =
      slot_bytes_ > 0 && !shared_logits_ && in.message_dropout.probability == 0 &&
      goes_by_blocks((one_table_ ? 1 : 2) * slot_bytes_, {in_edge_lists(in), all_out_edges(in)});
  sources_meet_ = by_blocks_ && in.shares_table() && third_level_cache_has_room(2 * slot_bytes_);
  meets_in_a_tile_ = one_table_ && slot_bytes_ > 0 && !by_blocks_ && !has_hubs(in_edge_lists(in));
}

std::vector<HeadGroup> RowAttention::message_groups(const HeadGroup& group) const {
  if (!shared_logits_)
    return {group};
  std::vector<HeadGroup> groups;
  for (std::size_t h = 0; h < size(in_.heads); ++h) groups.push_back({h, 1, 1});
  return groups;
}

TableShape RowAttention::key_table(const HeadGroup& group) const {
  return {size(in_.nodes),
          logit_row(),
          group.first * logit_width(),
          (group.first + group.count) * logit_width(),
          in_.dtype,
          size(edges_of(in_))};
}

RowAttention::ProductTiles RowAttention::product_tiles(const TableShape& table,
                                                       std::size_t width) const {
  const std::vector<ColumnTile> narrow = column_tiles(table);
  const std::vector<ColumnTile> wide = sum_tiles(table, true);
  const std::size_t part = narrow.front().blocks;
  const bool parted = by_blocks_ && part < 4 && width % (4 * 64 / working_bytes(in_.dtype)) == 0;
  return parted ? ProductTiles{wide, part} : ProductTiles{narrow, 0};
}

void RowAttention::hold_sources(CompactTables& tables, const HeadGroup& group) const {
  tables.hold(0, key_table(group), keys());
  if (!one_table())
    tables.hold(1, message_table(in_, group), in_.value);
}

std::size_t RowAttention::row_bytes(const HeadGroup& group) const {
  return group.count * logit_width() * storage_bytes(in_.dtype);
}

void RowAttention::add_logit_products(const HeadGroup& group,
                                      RowProducts products,
                                      TileBuffer& buffer,
                                      EdgePasses& passes) const {
  const LeakyTerms leaky = leaky_terms();
  products.dtype = in_.dtype;
  products.edges = in_edge_lists(in_);
  products.group = group;
  products.width = logit_width();
  products.rows = {in_.query, logit_row()};
  products.leaky = gatv2() ? &leaky : nullptr;
  const TableShape table = key_table(group);
  const auto [tiles, part_blocks] = product_tiles(table, products.width);
  products.part_blocks = part_blocks;
  for (const ColumnTile& tile : tiles) {
    products.tile = tile;
    products.table = buffer.pack(table, tile, keys());
    if (meets_in_a_tile_ && &tile == &tiles.back())
      passes.meet();
    passes.add(row_products_pass(products));
    products.add = true;
  }
}

TableShape RowAttention::query_table(const HeadGroup& group) const {
  TableShape table = key_table(group);
  table.rows = size(in_.rows);
  return table;
}

TableShape RowAttention::gradient_table(const HeadGroup& group) const {
  return cpu::gradient_table(in_, group);
}

LeakyTerms RowAttention::leaky_terms() const {
  LeakyTerms terms;
  terms.vector = in_.attention_vector;
  terms.slope = in_.negative_slope;
  terms.row = size(in_.heads * in_.width);
  terms.features = size(in_.edge.features);
  terms.x = in_.edge.x;
  terms.weight = in_.edge.weight;
  return terms;
}

std::size_t KeptQuad::bytes(const AttentionInputs& in) {
  return in.attention_dropout.probability > 0 ? size(edges_of(in)) : 0;
}

const std::uint8_t* KeptQuad::of(const HeadGroup& group) {
  if (in_.attention_dropout.probability == 0)
    return nullptr;
  const auto quad = static_cast<std::int64_t>(group.first / kQuadHeads);
  if (quad != quad_)
    find_kept_edges(in_, size(quad), bits_);
  quad_ = quad;
  return bits_;
}

}  // namespace regatta::cpu
