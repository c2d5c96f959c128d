// Transposes in-edges and sparse features by counting sort: O(N + E), one pass each, order fixed.
#include "kernels/prepared_graph.h"

#include "core/error.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

namespace regatta {
namespace {

/// `ptr` cuts `entries` entries into `lists` lists.
void check_pointers(const char* name,
                    std::span<const std::int64_t> ptr,
                    std::int64_t lists,
                    std::size_t entries) {
  const auto end = static_cast<std::int64_t>(entries);
  if (lists < 0 || ptr.size() != static_cast<std::size_t>(lists) + 1)
    fail(ExitCode::kData, "{} [{}]: expected {} + 1 entries", name, ptr.size(), lists);
  if (ptr.front() != 0 || ptr.back() != end)
    fail(ExitCode::kData,
         "{} [{}]: goes from {} to {}, expected from 0 to {}",
         name,
         ptr.size(),
         ptr.front(),
         ptr.back(),
         end);
  const auto fall = std::ranges::adjacent_find(ptr, std::greater<>());
  if (fall != ptr.end())
    fail(ExitCode::kData,
         "{} [{}]: entry {} is {} and the next one {}, expected no less",
         name,
         ptr.size(),
         fall - ptr.begin(),
         *fall,
         *(fall + 1));
}

void check_indices(const char* name, std::span<const std::int32_t> index, std::int64_t below) {
  const auto bad = std::ranges::find_if(index, [&](std::int32_t i) { return i < 0 || i >= below; });
  if (bad != index.end())
    fail(ExitCode::kData,
         "{} [{}]: entry {} is {}, expected an index in [0, {})",
         name,
         index.size(),
         bad - index.begin(),
         *bad,
         below);
}

void check_length(const char* name, std::size_t found, std::int64_t expected) {
  if (static_cast<std::int64_t>(found) != expected)
    fail(ExitCode::kData, "{} [{}]: expected {} entries", name, found, expected);
}

/// Start of each of `buckets` lists when `key` holds the bucket of every entry.
std::vector<std::int64_t> bucket_starts(std::span<const std::int32_t> key, std::int64_t buckets) {
  std::vector<std::int64_t> start(static_cast<std::size_t>(buckets) + 1, 0);
  for (const std::int32_t k : key) ++start[static_cast<std::size_t>(k) + 1];
  for (std::size_t i = 1; i < start.size(); ++i) start[i] += start[i - 1];
  return start;
}

}  // namespace

std::int64_t PreparedGraph::out_end(std::int64_t source, std::int64_t rows) const {
  const auto j = static_cast<std::size_t>(source);
  if (rows >= in.rows)
    return out_ptr[j + 1] - out_ptr[j];
  const std::int32_t* first = out_dst.data() + out_ptr[j];
  const std::int32_t* last = out_dst.data() + out_ptr[j + 1];
  return std::lower_bound(first, last, rows) - first;
}

PreparedGraph prepare_graph(CsrGraph graph, SharedArray<std::int64_t> global_id) {
  const auto edges = graph.src.size();
  check_pointers("indptr", graph.indptr.span(), graph.rows, edges);
  check_indices("src", graph.src.span(), graph.nodes);
  std::vector<std::int64_t> ptr = bucket_starts(graph.src, graph.nodes);
  std::vector<std::int64_t> next(ptr.begin(), ptr.end() - 1);
  std::vector<std::int32_t> dst(edges);
  std::vector<std::int64_t> edge(edges);
  for (std::int64_t row = 0; row < graph.rows; ++row) {
    const auto r = static_cast<std::size_t>(row);
    for (std::int64_t e = graph.indptr[r]; e < graph.indptr[r + 1]; ++e) {
      const auto source = static_cast<std::size_t>(graph.src[static_cast<std::size_t>(e)]);
      const auto slot = static_cast<std::size_t>(next[source]++);
      dst[slot] = static_cast<std::int32_t>(row);
      edge[slot] = e;
    }
  }
  PreparedGraph prepared;
  prepared.in = std::move(graph);
  prepared.global_id = std::move(global_id);
  prepared.out_ptr = std::move(ptr);
  prepared.out_dst = std::move(dst);
  prepared.out_edge = std::move(edge);
  return prepared;
}

PreparedSparse prepare_sparse(std::int64_t rows,
                              std::int64_t columns,
                              SharedArray<std::int64_t> row_ptr,
                              SharedArray<std::int32_t> column,
                              SharedArray<float> value,
                              SharedArray<std::int64_t> global_id) {
  check_pointers("row_ptr of sparse features", row_ptr.span(), rows, column.size());
  check_indices("column of sparse features", column.span(), columns);
  check_length("value of sparse features", value.size(), static_cast<std::int64_t>(column.size()));
  std::vector<std::int64_t> ptr = bucket_starts(column, columns);
  std::vector<std::int64_t> next(ptr.begin(), ptr.end() - 1);
  std::vector<std::int32_t> entry_row(column.size());
  std::vector<float> entry_value(column.size());
  const bool placed = column.size() <= std::numeric_limits<std::int32_t>::max();
  std::vector<std::int32_t> entry_place(placed ? column.size() : 0);
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto r = static_cast<std::size_t>(row);
    for (std::int64_t k = row_ptr[r]; k < row_ptr[r + 1]; ++k) {
      const auto entry = static_cast<std::size_t>(k);
      const auto slot = static_cast<std::size_t>(next[static_cast<std::size_t>(column[entry])]++);
      entry_row[slot] = static_cast<std::int32_t>(row);
      entry_value[slot] = value[entry];
      if (placed)
        entry_place[slot] = static_cast<std::int32_t>(k);
    }
  }
  PreparedSparse x;
  x.rows = rows;
  x.columns = columns;
  x.row_ptr = std::move(row_ptr);
  x.column = std::move(column);
  x.value = std::move(value);
  x.global_id = std::move(global_id);
  x.column_ptr = std::move(ptr);
  x.column_row = std::move(entry_row);
  x.column_value = std::move(entry_value);
  x.column_entry = std::move(entry_place);
  return x;
}

}  // namespace regatta
