// The transpose holds every edge once, ordered, and `out_end` cuts it at any row prefix.
#include "core/error_text.h"
#include "kernels/attention_case.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace regatta::test {
namespace {

RC_GTEST_PROP(PreparedGraphProperty, TransposeHoldsEveryEdgeOnceInOrder, ()) {
  const auto nodes = *rc::gen::inRange<std::int64_t>(1, 20);
  const auto degrees = *rc::gen::container<std::vector<std::int64_t>>(
      static_cast<std::size_t>(*rc::gen::inRange<std::int64_t>(0, nodes + 1)),
      rc::gen::inRange<std::int64_t>(0, 9));
  const PreparedGraph graph = make_graph({"any", nodes, degrees}, 3);
  const CsrView in = graph.in.view();
  RC_ASSERT(graph.out_ptr.size() == static_cast<std::size_t>(nodes) + 1);
  std::vector<int> seen(in.src.size(), 0);
  for (std::size_t j = 0; j < static_cast<std::size_t>(nodes); ++j) {
    for (auto k = static_cast<std::size_t>(graph.out_ptr[j]);
         k < static_cast<std::size_t>(graph.out_ptr[j + 1]);
         ++k) {
      const auto e = static_cast<std::size_t>(graph.out_edge[k]);
      const auto row = static_cast<std::size_t>(graph.out_dst[k]);
      RC_ASSERT(in.src[e] == static_cast<std::int32_t>(j));
      RC_ASSERT(in.indptr[row] <= graph.out_edge[k] && graph.out_edge[k] < in.indptr[row + 1]);
      RC_ASSERT(k == static_cast<std::size_t>(graph.out_ptr[j]) ||
                graph.out_edge[k - 1] < graph.out_edge[k]);
      ++seen[e];
    }
    for (std::int64_t rows = 0; rows <= in.rows; ++rows) {
      const auto first = graph.out_dst.begin() + graph.out_ptr[j];
      const auto last = graph.out_dst.begin() + graph.out_ptr[j + 1];
      RC_ASSERT(graph.out_end(static_cast<std::int64_t>(j), rows) ==
                std::count_if(first, last, [&](std::int32_t dst) { return dst < rows; }));
    }
  }
  RC_ASSERT(std::all_of(seen.begin(), seen.end(), [](int times) { return times == 1; }));
}

using Pointers = std::vector<std::int64_t>;
using Indices = std::vector<std::int32_t>;

std::string graph_complaint(const Pointers& indptr, const Indices& src) {
  return error_text(ExitCode::kData, [&] {
    prepare_graph({2, 3, indptr, src, Pointers(src.size(), 0)}, Pointers{0, 1, 2});
  });
}

TEST(PreparedGraph, RefusesWhatWouldLeadOutOfTables) {
  EXPECT_EQ(graph_complaint({0, 1, 3}, {0, 2, 1}), "");
  EXPECT_EQ(graph_complaint({0, 1, 3}, {0, 3, 1}),
            "src [3]: entry 1 is 3, expected an index in [0, 3)");
  EXPECT_EQ(graph_complaint({0, 1, 3}, {0, 2, -1}),
            "src [3]: entry 2 is -1, expected an index in [0, 3)");
  EXPECT_EQ(graph_complaint({0, 1}, {0}), "indptr [2]: expected 2 + 1 entries");
  EXPECT_EQ(graph_complaint({0, 1, 4}, {0, 1, 2}),
            "indptr [3]: goes from 0 to 4, expected from 0 to 3");
  EXPECT_EQ(graph_complaint({0, 4, 3}, {0, 1, 2}),
            "indptr [3]: entry 1 is 4 and the next one 3, expected no less");
}

std::string sparse_complaint(const Pointers& ptr, const Indices& column, std::size_t values) {
  return error_text(ExitCode::kData, [&] {
    prepare_sparse(2, 4, ptr, column, std::vector<float>(values, 1), Pointers{7, 8});
  });
}

TEST(PreparedSparse, RefusesWhatWouldLeadOutOfTables) {
  EXPECT_EQ(sparse_complaint({0, 1, 2}, {3, 0}, 2), "");
  EXPECT_EQ(sparse_complaint({0, 1, 2}, {4, 0}, 2),
            "column of sparse features [2]: entry 0 is 4, expected an index in [0, 4)");
  EXPECT_EQ(sparse_complaint({0, 2, 1}, {3, 0}, 2),
            "row_ptr of sparse features [3]: goes from 0 to 1, expected from 0 to 2");
  EXPECT_EQ(sparse_complaint({0, 1, 2}, {3, 0}, 1),
            "value of sparse features [1]: expected 2 entries");
}

TEST(PreparedSparse, ColumnsMirrorRows) {
  const PreparedSparse x = prepare_sparse(3,
                                          4,
                                          std::vector<std::int64_t>{0, 2, 2, 5},
                                          std::vector<std::int32_t>{1, 3, 0, 1, 3},
                                          std::vector<float>{1, 2, 3, 4, 5},
                                          std::vector<std::int64_t>{7, 8, 9});
  EXPECT_EQ(std::vector<std::int64_t>(x.column_ptr.begin(), x.column_ptr.end()),
            (std::vector<std::int64_t>{0, 1, 3, 3, 5}));
  EXPECT_EQ(std::vector<std::int32_t>(x.column_row.begin(), x.column_row.end()),
            (std::vector<std::int32_t>{2, 0, 2, 0, 2}));
  EXPECT_EQ(std::vector<float>(x.column_value.begin(), x.column_value.end()),
            (std::vector<float>{3, 1, 4, 2, 5}));
}

}  // namespace
}  // namespace regatta::test
