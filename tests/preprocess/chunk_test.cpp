// Chunks of every halo mode against the whole graph.
#include "graph/partition.h"
#include "preprocess/pipeline.h"
#include "preprocess/test_folder.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace regatta {
namespace {

using Edge = std::tuple<std::int64_t, std::int64_t, std::int64_t>;  // global dst, src, edge id

std::set<Edge> edges_of(const GraphChunk& chunk, std::int64_t rows) {
  std::set<Edge> edges;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t e = chunk.graph.indptr[row]; e < chunk.graph.indptr[row + 1]; ++e) {
      edges.emplace(
          chunk.global_id[row], chunk.global_id[chunk.graph.src[e]], chunk.graph.edge_id[e]);
    }
  }
  return edges;
}

/// Checks what every chunk promises, whatever its halo.
void check_chunk(const DatasetInMemory& dataset, const GraphChunk& chunk) {
  validate_csr(chunk.graph.view(), "chunk");
  EXPECT_EQ(chunk.ring_ptr.size(), static_cast<std::size_t>(chunk.hops) + 2);
  EXPECT_EQ(chunk.ring_ptr[1], chunk.num_owned);
  EXPECT_EQ(chunk.ring_ptr[chunk.hops + 1], chunk.num_nodes());
  for (std::int64_t ring = 0; ring <= chunk.hops; ++ring) {
    for (std::int64_t i = chunk.ring_ptr[ring] + 1; i < chunk.ring_ptr[ring + 1]; ++i) {
      EXPECT_LT(chunk.global_id[i - 1], chunk.global_id[i]);
    }
  }
  for (std::int64_t i = chunk.num_owned; i < chunk.num_nodes(); ++i) {
    const std::size_t halo = static_cast<std::size_t>(i - chunk.num_owned);
    const GraphChunk& owner = dataset.chunks.at(chunk.owner_chunk[halo]);
    ASSERT_LT(chunk.owner_row[halo], owner.num_owned);
    EXPECT_EQ(owner.global_id[chunk.owner_row[halo]], chunk.global_id[i]);
  }
  for (std::int64_t i = 0; i < chunk.num_nodes(); ++i) {
    EXPECT_EQ(chunk.original.at(i), std::to_string(chunk.global_id[i] * 3));
    EXPECT_EQ(chunk.features.x[i], static_cast<float>(chunk.global_id[i]));
  }
}

class Chunks : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::mt19937 random(7);
    std::string nodes = "id,y,f\n", edges = "src,dst\n";
    for (int i = 0; i < 60; ++i) {
      nodes += std::to_string(i * 3) + (i % 5 == 0 ? ",," : ",c,") + std::to_string(i) + "\n";
    }
    for (int e = 0; e < 90; ++e) {
      edges += std::to_string(random() % 60 * 3) + "," + std::to_string(random() % 60 * 3) + "\n";
    }
    options_.nodes.path = folder_.write("n.csv", nodes);
    options_.edges.path = folder_.write("e.csv", edges);
    options_.nodes.label = "y";
    options_.splits.method = "random";
    options_.partition.method = GetParam();
    options_.clean.direction = "directed";
    options_.clean.duplicates = "keep";
    options_.halo.mode = "none";
    whole_ = build_chunks(options_).chunks.at(0);
    whole_edges_ = edges_of(whole_, whole_.num_rows());
    ASSERT_EQ(whole_.num_nodes(), 60);
  }

  std::set<Edge> expected(const std::set<std::int64_t>& rows,
                          const std::set<std::int64_t>& sources) {
    std::set<Edge> edges;
    for (const Edge& edge : whole_edges_) {
      if (rows.contains(std::get<0>(edge)) && sources.contains(std::get<1>(edge)))
        edges.insert(edge);
    }
    return edges;
  }

  std::set<std::int64_t> nodes_of(const GraphChunk& chunk, std::int64_t count) {
    return {chunk.global_id.begin(), chunk.global_id.begin() + count};
  }

  testing::TestFolder folder_;
  PreprocessOptions options_;
  GraphChunk whole_;
  std::set<Edge> whole_edges_;
};

TEST_P(Chunks, HoldWhatTheirHaloPromises) {
  std::set<std::int64_t> all(whole_.global_id.begin(), whole_.global_id.end());
  for (const std::string mode : {"none", "one_hop", "exact"}) {
    for (const std::int64_t hops : {1, 2, 3}) {
      for (const std::int64_t chunks : {1, 3, 7}) {
        SCOPED_TRACE(mode + " " + std::to_string(hops) + " " + std::to_string(chunks));
        options_.halo = {mode, hops};
        options_.partition.chunks = chunks;
        const DatasetInMemory dataset = build_chunks(options_);
        ASSERT_EQ(static_cast<std::int64_t>(dataset.chunks.size()), chunks);
        std::int64_t owned = 0, nodes = 0;
        for (const GraphChunk& chunk : dataset.chunks) {
          check_chunk(dataset, chunk);
          owned += chunk.num_owned;
          nodes += chunk.num_nodes();
          const auto here = nodes_of(chunk, chunk.num_nodes());
          const auto rows = nodes_of(chunk, chunk.num_rows());
          EXPECT_EQ(edges_of(chunk, chunk.num_rows()),
                    expected(rows, mode == "exact" ? all : here));
          if (mode == "none") {
            EXPECT_EQ(chunk.num_nodes(), chunk.num_owned);
          }
          if (mode == "one_hop") {
            EXPECT_EQ(chunk.num_rows(), chunk.num_nodes());
          }
          if (mode != "none") {
            EXPECT_EQ(edges_of(chunk, chunk.num_owned),
                      expected(nodes_of(chunk, chunk.num_owned), all));
          }
          if (mode == "exact") {
            EXPECT_EQ(chunk.num_rows(), chunk.ring_ptr[hops]);
          }
        }
        EXPECT_EQ(owned, 60);
        EXPECT_DOUBLE_EQ(dataset.manifest.replication, static_cast<double>(nodes) / 60);
      }
    }
  }
}

TEST_P(Chunks, TargetsFollowTheirNodes) {
  options_.partition.chunks = 4;
  options_.halo = {"exact", 2};
  std::map<std::int64_t, std::pair<std::int64_t, int>> expected;
  for (std::int64_t i = 0; i < 60; ++i) {
    expected[i] = {whole_.targets[0].value[i], whole_.targets[0].split[i]};
  }
  std::map<std::int64_t, std::pair<std::int64_t, int>> found;
  for (const GraphChunk& chunk : build_chunks(options_).chunks) {
    for (std::int64_t i = 0; i < chunk.num_owned; ++i) {
      found[chunk.global_id[i]] = {chunk.targets[0].value[i], chunk.targets[0].split[i]};
    }
  }
  EXPECT_EQ(found, expected);
}

INSTANTIATE_TEST_SUITE_P(Partitioners, Chunks, ::testing::ValuesIn(partitioner_names()));

}  // namespace
}  // namespace regatta
