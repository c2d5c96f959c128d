// Cleaning: each option on a small table worked out by hand, and the whole against a set-based
// twin.
#include "preprocess/clean/clean_edges.h"
#include "preprocess/test_folder.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>
#include <vector>

namespace regatta {
namespace {

using Pair = std::pair<std::int32_t, std::int32_t>;  // (dst, src)

// 0-1 twice (once reversed), 1-2, a self loop 2-2, and node 3 alone.
ListedEdges example() {
  ListedEdges edges;
  edges.path = "edges.csv";
  edges.src = {0, 1, 1, 2};
  edges.dst = {1, 0, 2, 2};
  edges.line = {2, 3, 4, 5};
  return edges;
}

struct Cleaned {
  std::vector<Pair> edges;
  CleanCounts counts;
};

Cleaned clean(const ListedEdges& listed, std::int64_t nodes, const CleanOptions& options) {
  Cleaned result;
  const CsrGraph graph = clean_edges(listed, nodes, options, result.counts).graph;
  validate_csr(graph.view(), "cleaned");
  for (std::int64_t row = 0; row < graph.rows; ++row) {
    for (std::int64_t e = graph.indptr[row]; e < graph.indptr[row + 1]; ++e) {
      EXPECT_EQ(graph.edge_id[e], e);
      result.edges.emplace_back(static_cast<std::int32_t>(row), graph.src[e]);
    }
  }
  return result;
}

TEST(CleanEdges, EveryOptionByHand) {
  const struct {
    const char *direction, *self_loops, *duplicates;
    std::vector<Pair> edges;
    std::int64_t duplicate_count;
  } cases[] = {
      {"undirected", "drop", "drop", {{0, 1}, {1, 0}, {1, 2}, {2, 1}}, 1},
      {"undirected", "keep", "drop", {{0, 1}, {1, 0}, {1, 2}, {2, 1}, {2, 2}}, 1},
      {"undirected",
       "add",
       "drop",
       {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {1, 2}, {2, 1}, {2, 2}, {3, 3}},
       1},
      {"undirected", "drop", "keep", {{0, 1}, {0, 1}, {1, 0}, {1, 0}, {1, 2}, {2, 1}}, 0},
      {"directed", "drop", "drop", {{0, 1}, {1, 0}, {2, 1}}, 0},
      {"directed", "keep", "error", {{0, 1}, {1, 0}, {2, 1}, {2, 2}}, 0},
      {"reversed", "drop", "drop", {{0, 1}, {1, 0}, {1, 2}}, 0},
  };
  for (const auto& c : cases) {
    CleanOptions options;
    options.direction = c.direction;
    options.self_loops = c.self_loops;
    options.duplicates = c.duplicates;
    const Cleaned cleaned = clean(example(), 4, options);
    EXPECT_EQ(cleaned.edges, c.edges) << c.direction << " " << c.self_loops << " " << c.duplicates;
    EXPECT_EQ(cleaned.counts.duplicates, c.duplicate_count);
    EXPECT_EQ(cleaned.counts.self_loops, 1);
    EXPECT_EQ(cleaned.counts.listed, 4);
  }
}

TEST(CleanEdges, NamesBothLinesOfADuplicate) {
  CleanOptions options;
  options.duplicates = "error";
  testing::expect_error(ExitCode::kData, "edges.csv:3: the edge was already given in line 2", [&] {
    clean(example(), 4, options);
  });
}

TEST(CleanEdges, FindsAndDropsIsolatedNodes) {
  ListedEdges edges = example();
  edges.src.push_back(3);  // a self loop alone joins nothing
  edges.dst.push_back(3);
  edges.line.push_back(6);
  EXPECT_EQ(connected_nodes(edges, 5), (std::vector<std::int64_t>{0, 1, 2}));
  ListedEdges shifted;
  shifted.src = {4, 2};
  shifted.dst = {2, 2};
  shifted.line = {1, 2};
  const auto kept = connected_nodes(shifted, 6);
  renumber_edges(shifted, kept, 6);
  EXPECT_EQ(kept, (std::vector<std::int64_t>{2, 4}));
  EXPECT_EQ(shifted.src, (std::vector<std::int32_t>{1, 0}));
  EXPECT_EQ(shifted.dst, (std::vector<std::int32_t>{0, 0}));
}

RC_GTEST_PROP(CleanEdges, EqualsSets, ()) {
  const auto nodes = *rc::gen::inRange<std::int32_t>(1, 12);
  const auto node = rc::gen::inRange<std::int32_t>(0, nodes);
  const auto listed = *rc::gen::container<std::vector<Pair>>(rc::gen::pair(node, node));
  CleanOptions options;
  options.direction = *rc::gen::element<std::string>("undirected", "directed", "reversed");
  options.self_loops = *rc::gen::element<std::string>("add", "drop", "keep");
  ListedEdges edges;
  std::set<Pair> expected;
  for (const auto& [src, dst] : listed) {
    edges.src.push_back(src);
    edges.dst.push_back(dst);
    edges.line.push_back(1);
    if (src == dst && options.self_loops != "keep")
      continue;
    if (options.direction != "reversed")
      expected.emplace(dst, src);
    if (options.direction != "directed")
      expected.emplace(src, dst);
  }
  for (std::int32_t i = 0; options.self_loops == "add" && i < nodes; ++i) expected.emplace(i, i);
  const Cleaned cleaned = clean(edges, nodes, options);
  RC_ASSERT(cleaned.edges == std::vector<Pair>(expected.begin(), expected.end()));
}

}  // namespace
}  // namespace regatta
