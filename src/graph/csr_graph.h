// In-edges grouped by destination (CSR over rows = destinations).
#pragma once

#include <cstdint>
#include <span>

#include "core/shared_array.h"

namespace regatta {

/// Non-owning view of in-edges. Legend: R = rows, N = nodes, E = edges.
struct CsrView {
  std::int64_t rows = 0;                    ///< R: destinations 0..R-1 have their in-edges stored
  std::int64_t nodes = 0;                   ///< N >= R: sources are local ids below N
  std::span<const std::int64_t> indptr;     ///< [R+1], indptr[0] = 0, monotone, indptr[R] = E
  std::span<const std::int32_t> src;        ///< [E], within a row ascending by (src, edge_id)
  std::span<const std::int64_t> edge_id;    ///< [E], number of the edge in the cleaned input

  std::int64_t edges() const { return static_cast<std::int64_t>(src.size()); }
};

/// Owning twin of CsrView.
struct CsrGraph {
  std::int64_t rows = 0;
  std::int64_t nodes = 0;
  SharedArray<std::int64_t> indptr;
  SharedArray<std::int32_t> src;
  SharedArray<std::int64_t> edge_id;

  CsrView view() const { return {rows, nodes, indptr.span(), src.span(), edge_id.span()}; }
};

/// Checks every promise of CsrView once. Throws Error(kData) naming `where`, the first bad entry, what was
/// found and what was expected.
void validate_csr(const CsrView& graph, const char* where);

}  // namespace regatta
