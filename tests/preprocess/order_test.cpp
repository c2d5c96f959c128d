// Renumbering moves nodes and nothing else: features, labels, splits, ids and edges stay with them.
#include "graph/reorder.h"
#include "preprocess/pipeline.h"
#include "preprocess/test_folder.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <tuple>

namespace regatta {
namespace {

using testing::TestFolder;

/// What the dataset says of a node, by the user's id.
struct NodeFacts {
  std::vector<float> x;
  std::int64_t label;
  int split;
  bool operator==(const NodeFacts&) const = default;
};
using Facts = std::map<std::string, NodeFacts>;
using Edges = std::set<std::tuple<std::string, std::string, std::int64_t>>;  // dst, src, edge id

Facts facts_of(const DatasetInMemory& dataset) {
  Facts facts;
  for (const GraphChunk& chunk : dataset.chunks) {
    const std::int64_t width = chunk.features.width;
    for (std::int64_t i = 0; i < chunk.num_owned; ++i) {
      const auto row = chunk.features.x.begin() + i * width;
      facts[chunk.original.at(i)] = {
          {row, row + width}, chunk.targets[0].value[i], chunk.targets[0].split[i]};
    }
  }
  return facts;
}

Edges edges_of(const DatasetInMemory& dataset) {
  Edges edges;
  for (const GraphChunk& chunk : dataset.chunks) {
    for (std::int64_t row = 0; row < chunk.num_owned; ++row) {
      for (std::int64_t e = chunk.graph.indptr[row]; e < chunk.graph.indptr[row + 1]; ++e) {
        edges.emplace(
            chunk.original.at(row), chunk.original.at(chunk.graph.src[e]), chunk.graph.edge_id[e]);
      }
    }
  }
  return edges;
}

class NodeOrders : public ::testing::TestWithParam<std::string> {
 protected:
  /// 80 nodes whose ids are text and not sorted, two features, three classes, 200 edges.
  void SetUp() override {
    std::mt19937 random(3);
    const auto name = [](std::size_t i) { return std::to_string(i * 37 % 80) + "n"; };
    std::string nodes = "id,y,f,g\n", edges = "src,dst\n", splits = "node,split\n";
    for (std::size_t i = 0; i < 80; ++i) {
      nodes += name(i) + ",c" + std::to_string(i % 3) + "," + std::to_string(i) + "," +
               std::to_string(random() % 1000) + "\n";
      splits += name(i) + (i % 4 == 0 ? ",train\n" : ",test\n");
    }
    for (int e = 0; e < 200; ++e) edges += name(random() % 80) + "," + name(random() % 80) + "\n";
    options_.nodes.path = folder_.write("n.csv", nodes);
    options_.nodes.label = "y";
    options_.edges.path = folder_.write("e.csv", edges);
    options_.features.normalise = "standardise";
    given_ = folder_.write("s.csv", splits);
  }

  TestFolder folder_;
  PreprocessOptions options_;
  std::string given_;
};

TEST_P(NodeOrders, KeepNodesAndEdgesTogether) {
  for (const std::string splits : {"given", "random"}) {
    options_.splits.path = splits == "given" ? given_ : "";
    options_.splits.method = splits;
    options_.partition.chunks = 1;
    options_.order = "none";
    const DatasetInMemory plain = build_chunks(options_);
    options_.order = GetParam();
    for (const std::int64_t chunks : {1, 4}) {
      SCOPED_TRACE(splits + " " + std::to_string(chunks));
      options_.partition.chunks = chunks;
      const DatasetInMemory dataset = build_chunks(options_);
      EXPECT_TRUE(facts_of(dataset) == facts_of(plain));
      EXPECT_EQ(edges_of(dataset), edges_of(plain));
      EXPECT_EQ(dataset.manifest.fit.offset, plain.manifest.fit.offset);
      for (const GraphChunk& chunk : dataset.chunks) validate_csr(chunk.graph.view(), "chunk");
    }
  }
}

TEST_P(NodeOrders, NumberAsTheGraphModuleSays) {
  options_.splits.method = "random";
  options_.order = "none";
  const DatasetInMemory plain = build_chunks(options_);
  const GraphChunk& whole = plain.chunks[0];
  options_.order = GetParam();
  const DatasetInMemory dataset = build_chunks(options_);
  const auto order = order_nodes(whole.graph.view(), GetParam());
  for (std::int64_t i = 0; i < 80; ++i) {
    EXPECT_EQ(dataset.chunks[0].global_id[i], i);
    EXPECT_EQ(dataset.chunks[0].original.at(i), whole.original.at(order[i]));
  }
}

TEST_P(NodeOrders, AreToldInTheManifest) {
  options_.splits.method = "random";
  options_.order = GetParam();
  preprocess_dataset(options_, folder_.at("d"), *make_self_communicator());
  const Manifest manifest = read_manifest(folder_.at("d"));
  EXPECT_EQ(manifest.preprocess.at("order"), GetParam());
  if (GetParam() == "none") {
    EXPECT_FALSE(manifest.source.contains("order"));
    return;
  }
  const auto& order = manifest.source.at("order");
  EXPECT_EQ(order.at("method"), GetParam());
  for (const char* when : {"before", "after"}) {
    EXPECT_GT(order.at(when).at("mean_gap").get<double>(), 1);
    EXPECT_EQ(order.at(when).at("within_16mb").get<double>(), 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, NodeOrders, ::testing::ValuesIn(ordering_names()));

TEST(NodeOrder, NoneKeepsTheTables) {
  const TestFolder folder;
  PreprocessOptions options;
  options.edges.path = folder.write("e.csv", "src,dst\n7,3\n3,5\n9,7\n");
  const DatasetInMemory dataset = build_chunks(options);
  const GraphChunk& chunk = dataset.chunks[0];
  const std::vector<std::string> sorted{"3", "5", "7", "9"};
  for (std::int64_t i = 0; i < 4; ++i) EXPECT_EQ(chunk.original.at(i), sorted[i]);
  for (std::int64_t e = 0; e < chunk.graph.view().edges(); ++e)
    EXPECT_EQ(chunk.graph.edge_id[e], e);
}

}  // namespace
}  // namespace regatta
