// What kernels need beside the in-edges, built once per batch: out-edges, work pieces, global ids.
#pragma once

#include "core/shared_array.h"
#include "graph/csr_graph.h"

#include <cstdint>
#include <span>
#include <vector>

namespace regatta {

/// The lists of a graph (in-edges by row, or out-edges by node) in the order the CUDA kernels take
/// them: lists of more than kPieceEdges edges first, cut into pieces, then the others by falling
/// length. Equal lengths (short ones) or powers of two (longer ones) stay in ascending order.
struct DegreeSchedule {
  static constexpr std::int64_t kShortEdges = 8;     ///< at most: several lists a warp
  static constexpr std::int64_t kPieceEdges = 1024;  ///< at most: one warp; more are cut

  SharedArray<std::int32_t> long_item;    ///< [L] lists that are cut
  SharedArray<std::int64_t> first_piece;  ///< [L+1] into the pieces
  SharedArray<std::int32_t> piece_long;   ///< [P] which of long_item a piece belongs to
  SharedArray<std::int32_t> order;        ///< [n-L] the others: warp-long ones, then short ones
  std::int64_t short_begin = 0;           ///< first short one in `order`

  bool built() const { return first_piece.size() > 0; }
};

/// O(n); lists are [ptr[i], ptr[i+1]).
DegreeSchedule make_degree_schedule(std::span<const std::int64_t> ptr);

/// In-edges plus their transpose. Owns its arrays through SharedArray, so it may be copied cheaply.
/// Out-edges of a source are ascending by destination (ties: by position in the in-edge list), so
/// those that end below any row prefix R are a prefix of the list; `out_end` finds it.
struct PreparedGraph {
  CsrGraph in;                          ///< R rows over N nodes
  SharedArray<std::int64_t> global_id;  ///< [N] keys the message dropout
  SharedArray<std::int64_t> out_ptr;    ///< [N+1]
  SharedArray<std::int32_t> out_dst;    ///< [E] destination of each out-edge
  SharedArray<std::int64_t> out_edge;   ///< [E] its position in the in-edge list
  DegreeSchedule row_schedule;          ///< of the in-edges; cuda table only
  DegreeSchedule node_schedule;         ///< of the out-edges; cuda table only
  bool on_device = false;               ///< true: the arrays are device memory (cuda table only)

  /// First out-edge of source j, counted from out_ptr[j], whose destination is >= rows.
  std::int64_t out_end(std::int64_t source, std::int64_t rows) const;
};

/// What the cuda table needs beside prepare_graph; the CPU tables do without.
void add_degree_schedules(PreparedGraph& graph);

/// O(N + E), deterministic. Throws Error(kData) naming the array, its length, the first entry that
/// would lead kernels out of their tables, and what was expected. The order of edges is not checked
/// (validate_csr does, where a chunk is opened).
PreparedGraph prepare_graph(CsrGraph graph, SharedArray<std::int64_t> global_id);

/// Sparse features by row (CSR) and by column (CSC) for the gradient; float values converted by the
/// kernels.
struct PreparedSparse {
  std::int64_t rows = 0;
  std::int64_t columns = 0;              ///< F
  SharedArray<std::int64_t> row_ptr;     ///< [rows+1]
  SharedArray<std::int32_t> column;      ///< [nnz], ascending within a row
  SharedArray<float> value;              ///< [nnz]
  SharedArray<std::int64_t> global_id;   ///< [rows] keys the input dropout
  SharedArray<std::int64_t> column_ptr;  ///< [F+1]
  SharedArray<std::int32_t> column_row;  ///< [nnz] row of each entry by column, ascending
  SharedArray<float> column_value;       ///< [nnz]
  /// [nnz] place of each entry by column in the order by row; empty where 32 bits do not hold it
  /// and on a device.
  SharedArray<std::int32_t> column_entry;
};

/// O(F + nnz), deterministic; throws as prepare_graph does.
PreparedSparse prepare_sparse(std::int64_t rows,
                              std::int64_t columns,
                              SharedArray<std::int64_t> row_ptr,
                              SharedArray<std::int32_t> column,
                              SharedArray<float> value,
                              SharedArray<std::int64_t> global_id);

}  // namespace regatta
