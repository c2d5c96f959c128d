// dot and gatv2: attention whose logits compare rows. Which heads go together, and what they read.
#pragma once

#include "kernels/attention.h"
#include "kernels/cpu/column_tiles.h"
#include "kernels/cpu/edge_blocks.h"
#include "kernels/cpu/row_products.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace regatta::cpu {

/// Which heads go together, and the tables their logits compare.
class RowAttention {
 public:
  explicit RowAttention(const AttentionInputs& in);

  const std::vector<HeadGroup>& logit_groups() const { return logits_; }
  /// Heads of messages that the logits of `group` weigh; `group` itself but for shared logits.
  std::vector<HeadGroup> message_groups(const HeadGroup& group) const;
  /// The widest stride of a group.
  std::size_t stride() const { return logits_.front().stride; }
  /// All heads of messages share one head of logits.
  bool shared_logits() const { return shared_logits_; }
  /// Logits and messages read the same rows, so one gather gives both.
  bool one_table() const { return one_table_; }
  /// Passes go by blocks of items, over CompactTables of slot_bytes() each.
  bool by_blocks() const { return by_blocks_; }
  std::size_t slot_bytes() const { return slot_bytes_; }
  /// By blocks: the sums of a block of sources as keys and as values follow each other, so that the
  /// first are still near when the second are added.
  bool sources_meet() const { return sources_meet_; }
  /// By tiles: the last tile of the logits' products is the first of the sums over in-edges, and
  /// all passes between the two go by blocks, so that its rows are fetched once.
  bool meets_in_a_tile() const { return meets_in_a_tile_; }
  double scale() const { return gatv2() ? 1 : in_.scale; }
  bool gatv2() const { return in_.kind == AttentionKind::kGatv2; }

  std::size_t logit_width() const { return static_cast<std::size_t>(in_.logit_width()); }
  std::size_t logit_row() const {
    return static_cast<std::size_t>(in_.logit_heads() * in_.logit_width());
  }
  /// Puts what the passes over in-edges compare and sum into `tables`.
  void hold_sources(CompactTables& tables, const HeadGroup& group) const;
  const void* keys() const { return gatv2() ? in_.value : in_.key; }
  /// Bytes of an edge's row of keys.
  std::size_t row_bytes(const HeadGroup& group) const;
  TableShape key_table(const HeadGroup& group) const;
  /// Tiles for products of rows of `width` columns a head, and RowProducts::part_blocks of each.
  struct ProductTiles {
    std::vector<ColumnTile> tiles;
    std::size_t part_blocks = 0;
  };
  ProductTiles product_tiles(const TableShape& table, std::size_t width) const;
  /// Adds the passes that compare the rows of a group; `products` says where to, and what more
  /// they find. Passes added after them meet in their last tile, where the plan does.
  void add_logit_products(const HeadGroup& group,
                          RowProducts products,
                          TileBuffer& buffer,
                          EdgePasses& passes) const;
  TableShape query_table(const HeadGroup& group) const;
  TableShape gradient_table(const HeadGroup& group) const;
  LeakyTerms leaky_terms() const;

 private:
  const AttentionInputs& in_;
  std::vector<HeadGroup> logits_;
  bool shared_logits_;
  bool one_table_;
  std::size_t slot_bytes_ = 0;
  bool by_blocks_;
  bool sources_meet_;
  bool meets_in_a_tile_;
};

/// The bits of attention dropout for the quad in use.
class KeptQuad {
 public:
  KeptQuad(const AttentionInputs& in, void* bits)
      : in_(in), bits_(static_cast<std::uint8_t*>(bits)) {}
  /// For heads of the group; null without dropout.
  const std::uint8_t* of(const HeadGroup& group);
  static std::size_t bytes(const AttentionInputs& in);

 private:
  const AttentionInputs& in_;
  std::uint8_t* bits_;
  std::int64_t quad_ = -1;
};

}  // namespace regatta::cpu
