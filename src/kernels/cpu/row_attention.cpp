#include "kernels/cpu/row_attention.h"

#include "kernels/attention_checks.h"
#include "kernels/cpu/kept_edges.h"
#include "kernels/storage_types.h"

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
          in_.dtype};
}

TableShape RowAttention::query_table(const HeadGroup& group) const {
  TableShape table = key_table(group);
  table.rows = size(in_.rows);
  return table;
}

TableShape RowAttention::gradient_table(const HeadGroup& group) const {
  TableShape table = message_table(in_, group);
  table.rows = size(in_.rows);
  table.masked = false;
  return table;
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
