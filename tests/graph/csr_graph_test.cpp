// validate_csr: every promise, broken one at a time.
#include "graph/csr_graph.h"

#include "core/error.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace regatta {
namespace {

struct Parts {
  std::int64_t rows = 2, nodes = 3;
  std::vector<std::int64_t> indptr{0, 2, 3};
  std::vector<std::int32_t> src{0, 2, 1};
  std::vector<std::int64_t> edge_id{0, 1, 2};
};

std::string fault_of(const Parts& parts) {
  try {
    validate_csr({parts.rows, parts.nodes, parts.indptr, parts.src, parts.edge_id}, "here");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kData);
    return error.what();
  }
  return "";
}

TEST(ValidateCsr, AcceptsGoodGraphs) {
  EXPECT_EQ(fault_of({}), "");
  EXPECT_EQ(fault_of({0, 0, {0}, {}, {}}), "");
  EXPECT_EQ(fault_of({2, 2, {0, 0, 2}, {1, 1}, {4, 7}}), "") << "parallel edges";
}

TEST(ValidateCsr, NamesWhatIsWrong) {
  const struct {
    Parts parts;
    const char* expected;
  } cases[] = {
      {{2, 1, {0, 2, 3}, {0, 0, 0}, {0, 1, 2}}, "rows <= nodes"},
      {{2, 3, {0, 3}, {0, 2, 1}, {0, 1, 2}}, "indptr has 2 entries, expected 3"},
      {{2, 3, {1, 2, 3}, {0, 2, 1}, {0, 1, 2}}, "indptr[0] is 1"},
      {{2, 3, {0, 4, 3}, {0, 2, 1}, {0, 1, 2}}, "indptr[2] is 3, expected at least indptr[1] = 4"},
      {{2, 3, {0, 2, 2}, {0, 2, 1}, {0, 1, 2}}, "indptr ends at 2"},
      {{2, 3, {0, 2, 3}, {0, 3, 1}, {0, 1, 2}}, "src[1] is 3"},
      {{2, 3, {0, 2, 3}, {-1, 2, 1}, {0, 1, 2}}, "src[0] is -1"},
      {{2, 3, {0, 2, 3}, {2, 0, 1}, {0, 1, 2}}, "row 0"},
      {{2, 3, {0, 2, 3}, {1, 1, 1}, {1, 1, 2}}, "expected ascending"},
      {{2, 3, {0, 2, 3}, {0, 2, 1}, {0, -5, 2}}, "edge_id[1] is -5"},
      {{2, 3, {0, 2, 3}, {0, 2, 1}, {0, 1}}, "edge_id has 2 entries"},
  };
  for (const auto& c : cases) {
    const std::string fault = fault_of(c.parts);
    EXPECT_NE(fault.find(c.expected), std::string::npos) << fault << "\nexpected: " << c.expected;
    EXPECT_TRUE(fault.starts_with("here: ")) << fault;
  }
}

}  // namespace
}  // namespace regatta
