// What kernels need beside the in-edges, built once per batch: out-edges, work pieces, global ids.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/shared_array.h"
#include "graph/csr_graph.h"

namespace regatta {

/// In-edges plus their transpose. Owns its arrays through SharedArray, so it may be copied cheaply.
/// Out-edges of a source are ascending by destination (ties: by position in the in-edge list), so those that
/// end below any row prefix R are a prefix of the list; `out_end` finds it.
struct PreparedGraph {
  CsrGraph in;                         ///< R rows over N nodes
  SharedArray<std::int64_t> global_id; ///< [N] keys the message dropout
  SharedArray<std::int64_t> out_ptr;   ///< [N+1]
  SharedArray<std::int32_t> out_dst;   ///< [E] destination of each out-edge
  SharedArray<std::int64_t> out_edge;  ///< [E] its position in the in-edge list
  bool on_device = false;              ///< true: the arrays are device memory (cuda table only)

  /// First out-edge of source j, counted from out_ptr[j], whose destination is >= rows.
  std::int64_t out_end(std::int64_t source, std::int64_t rows) const;
};

/// Validates nothing (chunks are validated at open); O(N + E), deterministic.
PreparedGraph prepare_graph(CsrGraph graph, SharedArray<std::int64_t> global_id);

/// Sparse features by row (CSR) and by column (CSC) for the gradient; float values converted by the kernels.
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
};

PreparedSparse prepare_sparse(std::int64_t rows, std::int64_t columns, SharedArray<std::int64_t> row_ptr,
                              SharedArray<std::int32_t> column, SharedArray<float> value,
                              SharedArray<std::int64_t> global_id);

}  // namespace regatta
