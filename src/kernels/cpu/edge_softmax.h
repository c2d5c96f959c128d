// Softmax over each row's edges, and its gradient, from the products of rows alone: what is left
// between the two reads of the tables.
#pragma once

#include "kernels/attention.h"
#include "kernels/cpu/column_tiles.h"
#include "kernels/cpu/edge_pass.h"
#include "kernels/cpu/edge_pieces.h"
#include "kernels/cpu/kept_edges.h"

#include <cstdint>
#include <memory>

namespace regatta::cpu {

/// `value` [E,stride] holds the products of the in-edges and gets alpha m; kWeightSlack bytes
/// beyond may be read. `group` is one of the heads of the logits.
struct EdgeSoftmax {
  const AttentionInputs* in = nullptr;
  EdgeLists edges;  ///< of the rows
  HeadGroup group;
  double scale = 1;                    ///< of the products
  const std::uint8_t* kept = nullptr;  ///< the group's quad; null: m = 1
  void* value = nullptr;
  void* logsumexp = nullptr;  ///< (w) [R,Hs] or null
};
std::unique_ptr<EdgePass> edge_softmax_pass(const EdgeSoftmax& pass);

/// From the products of the logits and p: the record of each edge, alpha m of the group's heads and
/// then the gradients of the products, alpha (m p - Delta) scale: who fetches the one needs the
/// other soon. Writes the gradients of the edges' terms too.
struct EdgeGradients {
  const AttentionBackwardArgs* args = nullptr;
  EdgeLists edges;  ///< of the rows
  HeadGroup group;
  double scale = 1;
  const std::uint8_t* kept = nullptr;  ///< null: m = 1, or p already holds it
  const void* delta = nullptr;         ///< (w) [R,H], without the part through L
  void* logit = nullptr;               ///< (w) [E,stride]; changed where edges have terms
  const void* product = nullptr;       ///< (w) [E,stride] p
  void* record = nullptr;              ///< [E] of record_bytes each
  std::size_t record_bytes = 0;
};
std::unique_ptr<EdgePass> edge_gradients_pass(const EdgeGradients& pass);

/// For logits that heads share: to[e] = from[e] m[e] of one head of the messages, or with `add` the
/// sum with what is there.
struct HeadFactors {
  const AttentionInputs* in = nullptr;
  std::size_t head = 0;
  const std::uint8_t* kept = nullptr;
  const void* from = nullptr;  ///< (w) [E,stride], the first of each
  void* to = nullptr;
  std::size_t stride = 1;
  bool add = false;
};
void apply_head_factors(const HeadFactors& pass);

/// p[e,h] += <grad_edge_out[i,h], x_e> for the heads of a group.
struct FeatureProducts {
  const AttentionBackwardArgs* args = nullptr;
  EdgeLists edges;  ///< of the rows
  HeadGroup group;
  void* product = nullptr;  ///< (w) [E,stride]
};
std::unique_ptr<EdgePass> feature_products_pass(const FeatureProducts& pass);

/// edge_out of a group from its weights [E,stride].
void sum_edge_features(const AttentionForwardArgs& args,
                       const HeadGroup& group,
                       const void* weight);

}  // namespace regatta::cpu
