#include "graph/csr_graph.h"

#include "core/error.h"

namespace regatta {
namespace {

void validate_indptr(const CsrView& graph, const char* where) {
  const auto& indptr = graph.indptr;
  if (static_cast<std::int64_t>(indptr.size()) != graph.rows + 1) {
    fail(ExitCode::kData,
         "{}: indptr has {} entries, expected {} (rows + 1)",
         where,
         indptr.size(),
         graph.rows + 1);
  }
  if (indptr[0] != 0)
    fail(ExitCode::kData, "{}: indptr[0] is {}, expected 0", where, indptr[0]);
  for (std::size_t row = 0; row + 1 < indptr.size(); ++row) {
    if (indptr[row + 1] < indptr[row]) {
      fail(ExitCode::kData,
           "{}: indptr[{}] is {}, expected at least indptr[{}] = {}",
           where,
           row + 1,
           indptr[row + 1],
           row,
           indptr[row]);
    }
  }
  if (indptr.back() != graph.edges()) {
    fail(ExitCode::kData,
         "{}: indptr ends at {}, expected the number of edges, {}",
         where,
         indptr.back(),
         graph.edges());
  }
}

void validate_row(const CsrView& graph, std::int64_t row, const char* where) {
  const std::int64_t begin = graph.indptr[row];
  for (std::int64_t e = begin; e < graph.indptr[row + 1]; ++e) {
    if (graph.src[e] < 0 || graph.src[e] >= graph.nodes) {
      fail(ExitCode::kData,
           "{}: src[{}] is {}, expected a node in [0, {})",
           where,
           e,
           graph.src[e],
           graph.nodes);
    }
    if (graph.edge_id[e] < 0) {
      fail(ExitCode::kData,
           "{}: edge_id[{}] is {}, expected a number of 0 or more",
           where,
           e,
           graph.edge_id[e]);
    }
    if (e == begin)
      continue;
    const bool ascending =
        graph.src[e - 1] < graph.src[e] ||
        (graph.src[e - 1] == graph.src[e] && graph.edge_id[e - 1] < graph.edge_id[e]);
    if (!ascending) {
      fail(
          ExitCode::kData,
          "{}: edges {} and {} of row {} are (src {}, edge_id {}) and ({}, {}), expected ascending",
          where,
          e - 1,
          e,
          row,
          graph.src[e - 1],
          graph.edge_id[e - 1],
          graph.src[e],
          graph.edge_id[e]);
    }
  }
}

}  // namespace

void validate_csr(const CsrView& graph, const char* where) {
  if (graph.rows < 0 || graph.nodes < graph.rows) {
    fail(ExitCode::kData,
         "{}: {} rows and {} nodes, expected 0 <= rows <= nodes",
         where,
         graph.rows,
         graph.nodes);
  }
  if (graph.nodes > std::int64_t{1} << 31) {
    fail(ExitCode::kData,
         "{}: {} nodes, expected at most 2^31 (local ids are 32-bit)",
         where,
         graph.nodes);
  }
  if (graph.edge_id.size() != graph.src.size()) {
    fail(ExitCode::kData,
         "{}: edge_id has {} entries, expected {} as src has",
         where,
         graph.edge_id.size(),
         graph.src.size());
  }
  validate_indptr(graph, where);
  for (std::int64_t row = 0; row < graph.rows; ++row) validate_row(graph, row, where);
}

}  // namespace regatta
