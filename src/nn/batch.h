// Batch: one micro-batch as the model sees it; a whole chunk, or the rings round a range of its
// targets.
#pragma once

#include "data/graph_chunk.h"
#include "kernels/attention.h"
#include "kernels/prepared_graph.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace regatta {

/// Rows of the model's output that count, and what they should be.
struct TargetRows {
  at::Tensor row;    ///< int64 [T], local row
  at::Tensor label;  ///< int64 [T]
  std::int64_t count() const { return row.defined() ? row.size(0) : 0; }
};

/// Where and in which type batches are built.
struct BatchPlacement {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;  ///< storage type: float, double or bfloat16
  const KernelTable* kernels = nullptr;
  std::int64_t relations = 0;  ///< relation graphs to build; 0 where no layer has parameters by
                               ///< relation
};

/// Node inputs: dense x [N,F] or sparse rows; exactly one is filled.
struct BatchFeatures {
  at::Tensor dense;
  std::optional<PreparedSparse> sparse;
  std::int64_t width = 0;
};

/// The in-edges of one relation over the nodes of the batch.
struct RelationGraph {
  PreparedGraph graph;
  at::Tensor position;  ///< int64 [E_t] places of its edges in the batch's in-edges, ascending
  at::Tensor occupied;  ///< bool [rows] rows with an edge of the relation
  std::vector<std::int64_t> edges_out;  ///< [L] edges of the rows of layer l
};

/// Immutable once built. N nodes sorted by ring; layer l of L reads the first nodes_in[l] and
/// computes the first rows_out[l] of them.
struct Batch {
  PreparedGraph graph;
  BatchFeatures features;
  at::Tensor global_id;  ///< int64 [N] on the CPU: keys random numbers
  at::Tensor edge_x;  ///< [E,Fe] features of the in-edges in their order, fp32 (fp64 under fp64);
                      ///< undefined: none
  at::Tensor edge_type;                  ///< int64 [E] relation of each in-edge; undefined: none
  std::vector<std::int64_t> nodes_in;    ///< [L]
  std::vector<std::int64_t> rows_out;    ///< [L]; rows_out[l] = nodes_in[l+1]
  std::vector<std::int64_t> edges_out;   ///< [L] in-edges of the first rows_out[l] rows
  std::vector<RelationGraph> relations;  ///< by relation; empty where none are placed
  BatchPlacement placement;
  std::int64_t bytes = 0;  ///< held in memory, for the cache
};

/// A whole chunk for a model of `layers` layers. Throws Error(kData) when the halo is exact and has
/// fewer hops than the model has layers ("preprocess with hops >= L"); `halo_exact` tells which
/// promise the dataset makes.
Batch make_batch(const GraphChunk& chunk,
                 int layers,
                 bool halo_exact,
                 const BatchPlacement& placement);

/// The same, still in host memory: place_batch or a packed copy (nn/batch_placement.h) moves it.
Batch make_host_batch(const GraphChunk& chunk,
                      int layers,
                      bool halo_exact,
                      const BatchPlacement& placement);

/// The rings of the chunk's owned rows `targets` (ascending local rows): a smaller batch with the
/// same result in the rows of the targets, which become rows 0..T-1 sorted by global id.
/// `row_of_target` gets each target's row.
Batch make_range_batch(const GraphChunk& chunk,
                       std::span<const std::int64_t> targets,
                       int layers,
                       bool halo_exact,
                       const BatchPlacement& placement,
                       std::vector<std::int64_t>& row_of_target);

/// Fills batch.relations from batch.edge_type and the host graph that the batch was made of, all in
/// host memory. Throws
/// Error(kData) for a type that is not in [0, placement.relations).
void add_relation_graphs(Batch& batch, const CsrGraph& graph);

/// Rows of one split, in ascending order. Unknown labels are left out of no split but 0, by the
/// format.
TargetRows target_rows(const NodeTarget& target,
                       Split split,
                       std::int64_t split_index,
                       at::Device device);

}  // namespace regatta
