// Edge attributes in batches: of a whole chunk, and of a range of its targets.
#include "nn/batch.h"

#include "checkpoint/scratch_folder.h"
#include "data/sample_dataset.h"

#include <torch/types.h>

#include <gtest/gtest.h>

#include <map>
#include <tuple>

namespace regatta {
namespace {

using EdgeValues = std::tuple<std::vector<float>, std::int64_t>;  // features, type

GraphChunk sample_chunk(const test::SampleSpec& spec) {
  const test::ScratchFolder folder;
  return test::write_sample_dataset(folder.path(), spec).chunks.at(0);
}

std::map<std::int64_t, EdgeValues> by_edge_id(const GraphChunk& chunk) {
  std::map<std::int64_t, EdgeValues> values;
  for (std::size_t e = 0; e < chunk.graph.src.size(); ++e) {
    const auto x = chunk.edge_x.begin() + static_cast<std::int64_t>(e) * chunk.edge_width;
    values[chunk.graph.edge_id[e]] = {{x, x + chunk.edge_width}, chunk.edge_type[e]};
  }
  return values;
}

void expect_edges(const Batch& batch, const GraphChunk& chunk) {
  const auto expected = by_edge_id(chunk);
  const auto& edge_id = batch.graph.in.edge_id;
  const auto edges = static_cast<std::int64_t>(edge_id.size());
  ASSERT_GT(edges, 0);
  ASSERT_EQ(batch.edge_x.sizes(), (at::IntArrayRef{edges, chunk.edge_width}));
  ASSERT_EQ(batch.edge_type.sizes(), at::IntArrayRef{edges});
  const at::Tensor x = batch.edge_x.to(torch::kFloat).contiguous();
  for (std::int64_t e = 0; e < edges; ++e) {
    const float* row = x.const_data_ptr<float>() + e * chunk.edge_width;
    const EdgeValues found = {{row, row + chunk.edge_width},
                              batch.edge_type.const_data_ptr<std::int64_t>()[e]};
    EXPECT_EQ(found, expected.at(edge_id[static_cast<std::size_t>(e)])) << "edge " << e;
  }
}

TEST(EdgesOfABatch, AreThoseOfTheChunk) {
  const GraphChunk chunk = sample_chunk({.nodes = 60, .edge_width = 3, .edge_types = 4});
  const Batch batch = make_batch(chunk, 2, true, {});
  expect_edges(batch, chunk);
  EXPECT_EQ(batch.edge_x.scalar_type(), torch::kFloat);
  EXPECT_EQ(batch.edge_type.scalar_type(), torch::kInt64);
  EXPECT_EQ(make_batch(chunk, 2, true, {.dtype = at::kDouble}).edge_x.scalar_type(),
            torch::kDouble);
}

TEST(EdgesOfABatch, FollowARangeOfTargets) {
  const GraphChunk chunk = sample_chunk({.nodes = 60, .edge_width = 3, .edge_types = 4});
  for (const std::vector<std::int64_t>& targets :
       {std::vector<std::int64_t>{0}, {3, 5, 11}, {1, 2, 3, 4, 20}}) {
    std::vector<std::int64_t> rows;
    const Batch batch = make_range_batch(chunk, targets, 2, true, {}, rows);
    EXPECT_LT(batch.graph.in.src.size(), chunk.graph.src.size());
    expect_edges(batch, chunk);
  }
}

TEST(EdgesOfABatch, CountInItsMemory) {
  const test::SampleSpec plain = {.nodes = 60};
  const Batch without = make_batch(sample_chunk(plain), 2, true, {});
  EXPECT_FALSE(without.edge_x.defined());
  EXPECT_FALSE(without.edge_type.defined());
  // The same graph, as the sample draws attributes after edges; other features have the same size.
  const GraphChunk chunk = sample_chunk({.nodes = 60, .edge_width = 3, .edge_types = 4});
  const Batch with = make_batch(chunk, 2, true, {});
  const auto edges = static_cast<std::int64_t>(chunk.graph.src.size());
  ASSERT_EQ(without.graph.in.src.size(), chunk.graph.src.size());
  EXPECT_EQ(with.bytes, without.bytes + edges * (3 * 4 + 8));
}

TEST(EdgesOfABatch, AreThereWithoutAnyEdge) {
  const GraphChunk chunk =
      sample_chunk({.nodes = 5, .chunks = 1, .mean_degree = 0, .edge_width = 2, .edge_types = 3});
  const Batch batch = make_batch(chunk, 2, true, {});
  EXPECT_EQ(batch.edge_x.sizes(), (at::IntArrayRef{0, 2}));
  EXPECT_EQ(batch.edge_type.sizes(), at::IntArrayRef{0});
}

}  // namespace
}  // namespace regatta
