// GraphChunk: one HDF5 shard in host memory. docs/chunk_format.md is the format it mirrors.
#pragma once

#include "core/shared_array.h"
#include "graph/csr_graph.h"

#include <cstdint>
#include <string>
#include <vector>

namespace regatta {

enum class FeatureKind { kDense, kSparse };
enum class Split : std::uint8_t { kNone = 0, kTrain = 1, kValidation = 2, kTest = 3 };

/// "train" | "val" | "test" (also "validation", "none"); throws Error(kUsage) listing them
/// otherwise.
Split split_from_name(const std::string& name);
const char* split_name(Split split);  ///< "none", "train", "val", "test"

/// Node features. Dense: x [N,F]. Sparse: CSR over N rows and F columns, columns ascending in a
/// row.
struct NodeFeatures {
  FeatureKind kind = FeatureKind::kDense;
  std::int64_t width = 0;              ///< F
  SharedArray<float> x;                ///< dense
  SharedArray<std::int64_t> x_indptr;  ///< sparse [N+1]
  SharedArray<std::int32_t> x_index;   ///< sparse [nnz]
  SharedArray<float> x_value;          ///< sparse [nnz]
};

/// A class label per owned node; the level `node`, kind `class` target of the format.
struct NodeTarget {
  std::string name = "label";
  SharedArray<std::int64_t> value;  ///< [owned]; -1 = unknown, allowed only where split is 0
  SharedArray<std::uint8_t> split;  ///< [owned, splittings]
  std::int64_t splittings = 1;      ///< S
};

/// The user's own node ids: integers, or strings as bytes + offsets. Exactly one is filled.
struct OriginalIds {
  SharedArray<std::int64_t> integer;  ///< [N]
  SharedArray<std::uint8_t> text_bytes;
  SharedArray<std::int64_t> text_offset;  ///< [N+1]
  bool is_text() const { return !text_offset.empty(); }
  std::string at(std::int64_t node) const;  ///< as text
};

/// Nodes are sorted by ring: owned first, then hop 1, ...; ascending by global id within a ring.
struct GraphChunk {
  std::int64_t chunk = 0;
  std::int64_t num_owned = 0;
  std::int64_t hops = 0;
  CsrGraph graph;                         ///< rows = num_rows, nodes = num_nodes
  std::int64_t edge_width = 0;            ///< Fe, features of an edge; 0 = none
  SharedArray<float> edge_x;              ///< [E,Fe] in the order of the graph's in-edges
  bool typed_edges = false;               ///< there are edge types (perhaps of no edge)
  SharedArray<std::uint16_t> edge_type;   ///< [E] in that order; empty without types
  SharedArray<std::int64_t> global_id;    ///< [N]
  SharedArray<std::int64_t> ring_ptr;     ///< [hops+2]
  SharedArray<std::int32_t> owner_chunk;  ///< [N-owned]; empty when hops = 0
  SharedArray<std::int64_t> owner_row;    ///< [N-owned]; empty when hops = 0
  NodeFeatures features;
  std::vector<NodeTarget> targets;  ///< empty for unlabelled data to predict on
  OriginalIds original;

  bool has_edge_attributes() const { return edge_width > 0 || typed_edges; }
  std::int64_t num_rows() const { return graph.rows; }
  std::int64_t num_nodes() const { return graph.nodes; }
  /// Rows that a layer with `layers_after` layers behind it computes: ring_ptr[min(layers_after,
  /// hops)+1], at most num_rows; all of them where the halo has no rings (hops = 0).
  std::int64_t rows_for(std::int64_t layers_after) const;
  const NodeTarget& target(
      const std::string& name) const;  ///< throws Error(kData) listing those present
};

}  // namespace regatta
