// The floor of a training step: the design's formulas at hand-computed sizes, by kind, precision
// and what stands round the attention; and what layers compute of chunks with halos.
#include "bench/step_floor.h"

#include "bench/attention_floor.h"
#include "checkpoint/scratch_folder.h"
#include "core/error.h"
#include "data/sample_dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace regatta {
namespace {

constexpr double kN = 1000, kE = 6000, kH = 4, kD = 8, kF = 32, kC = 5;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// With one of them a floor is a number of bytes, with the other one of FLOP.
constexpr StepRates kBytes{1, kInfinity}, kFlop{kInfinity, 1};

TrainJob one_layer(const char* kind) {
  TrainJob job;
  LayerOptions layer;
  layer.attention = kind;
  layer.heads = 4;
  layer.width = 8;
  job.model.layers = {layer};
  return job;
}

/// One chunk of N nodes with dense features, for any number of layers.
StepShape whole_graph(const TrainJob& job) {
  StepShape shape;
  shape.layers.assign(job.model.layers.size(), {kN, kN, kE, kN * kF, kN * kF});
  shape.classes = kC;
  return shape;
}

StepFloor floor_of(const TrainJob& job, const StepRates& rates) {
  return step_floor(job, whole_graph(job), rates);
}

TEST(StepFloor, CountsTheBytesOfEachKind) {
  const double row = 4 * kH * kD, once = kN + kE;
  const auto bytes = [](const char* kind) { return floor_of(one_layer(kind), kBytes).attention; };
  EXPECT_DOUBLE_EQ(bytes("gat"), 9 * kN * row + 56 * kN * kH + 8 * once);
  EXPECT_DOUBLE_EQ(bytes("gatv2"), 9 * kN * row + 16 * kN * kH + 12 * once);
  EXPECT_DOUBLE_EQ(bytes("transformer"), 12 * kN * row + 24 * kN * kH + 12 * once);
  EXPECT_DOUBLE_EQ(bytes("dot"), 6 * kN * row + 16 * kN * kH + 12 * once);
  EXPECT_DOUBLE_EQ(bytes("transformer") - bytes("gat"), 3 * kN * row - 32 * kN * kH + 4 * once);
}

TEST(StepFloor, CountsTheArithmeticOfEachKind) {
  const auto flop = [](const char* kind) { return floor_of(one_layer(kind), kFlop).attention; };
  EXPECT_DOUBLE_EQ(flop("gat"), kE * kH * (6 * kD + 20) + 10 * kN * kH * kD);
  EXPECT_DOUBLE_EQ(flop("gatv2"), kE * kH * (31 * kD + 22));
  EXPECT_DOUBLE_EQ(flop("transformer"), kE * kH * (18 * kD + 26));
  EXPECT_DOUBLE_EQ(flop("dot"), kE * kH * (18 * kD + 26));
}

TEST(StepFloor, CountsTheProjectionsOfEachKind) {
  const auto flop = [](const TrainJob& job) { return floor_of(job, kFlop).products; };
  // Forward and the gradient of W: features have none of their own.
  const double projection = 4 * kN * kF * kH * kD;
  TrainJob shared = one_layer("gatv2");
  shared.model.layers[0].share_weights = true;
  EXPECT_DOUBLE_EQ(flop(one_layer("gat")), projection);
  EXPECT_DOUBLE_EQ(flop(one_layer("dot")), projection);
  EXPECT_DOUBLE_EQ(flop(shared), projection);
  EXPECT_DOUBLE_EQ(flop(one_layer("gatv2")), 2 * projection);
  EXPECT_DOUBLE_EQ(flop(one_layer("transformer")), 3 * projection);
}

TEST(StepFloor, ALayersOwnRowsAloneHaveQueries) {
  const TrainJob job = one_layer("transformer");
  StepShape shape = whole_graph(job);
  shape.layers[0].rows = kN / 4;
  shape.layers[0].row_features = kN / 4 * kF;
  EXPECT_DOUBLE_EQ(step_floor(job, shape, kFlop).products, 4 * 2.25 * kN * kF * kH * kD);
}

TEST(StepFloor, BfloatHalvesRowsButNotScalars) {
  TrainJob job = one_layer("gat");
  const StepFloor wide = floor_of(job, kBytes);
  job.runtime.precision = "bf16";
  const StepFloor narrow = floor_of(job, kBytes);
  EXPECT_DOUBLE_EQ(wide.attention - narrow.attention, 9 * kN * 2 * kH * kD);
  EXPECT_DOUBLE_EQ(narrow.products, wide.products / 2) << "the features that are read";
  job.runtime.precision = "fp64";
  EXPECT_DOUBLE_EQ(floor_of(job, kBytes).attention,
                   9 * kN * 8 * kH * kD + 112 * kN * kH + 8 * (kN + kE));
}

TEST(StepFloor, TheLayerAfterAMeanIsAsNarrowAsAHead) {
  TrainJob job = one_layer("gat");
  LayerOptions last;
  last.attention = "gat";
  job.model.layers.push_back(last);
  const double first = 4 * kN * kF * kH * kD;
  EXPECT_DOUBLE_EQ(floor_of(job, kFlop).products, first + 6 * kN * kH * kD * kC);
  job.model.layers[0].combine = "mean";
  EXPECT_DOUBLE_EQ(floor_of(job, kFlop).products, first + 6 * kN * kD * kC);
}

TEST(StepFloor, SparseFeaturesCostByTheirNonZeros) {
  const TrainJob job = one_layer("gatv2");
  StepShape shape = whole_graph(job);
  const double nonzeros = 3 * kN;
  shape.sparse = true;
  shape.layers[0].node_features = shape.layers[0].row_features = nonzeros;
  EXPECT_DOUBLE_EQ(step_floor(job, shape, kFlop).products, 2 * 4 * nonzeros * kH * kD);
  EXPECT_DOUBLE_EQ(step_floor(job, shape, kBytes).products, 2 * 8 * nonzeros);
}

TEST(StepFloor, CountsWhatStandsRoundTheAttention) {
  TrainJob job = one_layer("gat");
  LayerOptions second = job.model.layers[0];
  job.model.layers.push_back(second);
  const double width = kH * kD;
  const double plain = floor_of(job, kFlop).products;
  const auto added = [&](auto change) {
    TrainJob changed = job;
    change(changed);
    return floor_of(changed, kFlop).products - plain;
  };
  EXPECT_DOUBLE_EQ(added([](TrainJob& j) { j.model.layers[1].residual = "linear"; }),
                   6 * kN * width * width);
  EXPECT_DOUBLE_EQ(added([](TrainJob& j) { j.model.layers[1].residual = "input"; }),
                   4 * kN * kF * width);
  EXPECT_DOUBLE_EQ(added([](TrainJob& j) { j.model.layers[1].residual = "identity"; }), 0);
  EXPECT_DOUBLE_EQ(added([](TrainJob& j) { j.model.layers[1].feed_forward = 64; }),
                   12 * kN * width * 64);
  EXPECT_DOUBLE_EQ(added([](TrainJob& j) { j.model.jumping_knowledge = "concat"; }),
                   6 * kN * 2 * width * kC);
  EXPECT_DOUBLE_EQ(added([](TrainJob& j) { j.model.jumping_knowledge = "max"; }),
                   6 * kN * width * kC);
}

TEST(StepFloor, EachRelationHasProjectionsOfItsOwn) {
  TrainJob job = one_layer("gat");
  const double plain = floor_of(job, kFlop).products;
  job.model.layers[0].relations = "parameters";
  StepShape shape = whole_graph(job);
  shape.edge_types = 3;
  EXPECT_DOUBLE_EQ(step_floor(job, shape, kFlop).products, 3 * plain);
}

TEST(StepFloor, RanksShareTheChunksButNotTheOptimiser) {
  TrainJob job = one_layer("gat");
  StepShape shape = whole_graph(job);
  shape.parameters = 100;
  const StepFloor whole = step_floor(job, shape, kBytes);
  shape.shares = 4;
  const StepFloor shared = step_floor(job, shape, kBytes);
  EXPECT_DOUBLE_EQ(shared.attention, whole.attention / 4);
  EXPECT_DOUBLE_EQ(shared.products, whole.products / 4);
  EXPECT_DOUBLE_EQ(shared.optimiser, 7 * 4 * 100) << "adam";
  job.train.optimiser.kind = "sgd";
  EXPECT_DOUBLE_EQ(step_floor(job, shape, kBytes).optimiser, 3 * 4 * 100);
}

TEST(StepFloor, TheLongerOfBytesAndArithmeticCounts) {
  const TrainJob job = one_layer("gatv2");
  const double bytes = floor_of(job, kBytes).attention, flop = floor_of(job, kFlop).attention;
  const double both = floor_of(job, {1, 1}).attention;
  EXPECT_GE(both, std::max(bytes, flop));
  EXPECT_LT(both, bytes + flop);
}

TEST(StepFloor, IsNotGivenWhereThereAreNoFormulas) {
  TrainJob job = one_layer("dot");
  EXPECT_TRUE(has_step_floor(job));
  job.model.layers[0].score_on = "input";
  EXPECT_FALSE(has_step_floor(job));
  job = one_layer("gat");
  job.train.step.targets = 10;
  EXPECT_FALSE(has_step_floor(job));
  EXPECT_THROW(floor_of(one_layer("other"), kBytes), Error);
}

/// All chunks of a dataset as one step.
std::vector<Step> every_chunk(const Dataset& dataset) {
  Step step;
  for (std::int64_t c = 0; c < dataset.num_chunks(); ++c) step.micro_batches.push_back({c});
  return {step};
}

TEST(LayerExtents, FallFromLayerToLayerWithinAnExactHalo) {
  const test::ScratchFolder folder;
  test::write_sample_dataset(folder.path(), {.nodes = 200, .chunks = 4, .sparse = true});
  const Dataset dataset(folder.path());
  const auto extents = layer_extents(dataset, every_chunk(dataset), 2);
  double stored = 0, halo = 0;
  for (std::int64_t c = 0; c < dataset.num_chunks(); ++c) {
    stored += static_cast<double>(dataset.read_chunk(c)->features.x_value.size());
    halo += static_cast<double>(dataset.read_chunk(c)->num_nodes());
  }
  EXPECT_EQ(extents[0].nodes, halo);
  EXPECT_EQ(extents[0].node_features, stored);
  EXPECT_LT(extents[0].row_features, stored);
  EXPECT_EQ(extents[0].rows, extents[1].nodes);
  EXPECT_LT(extents[0].rows, extents[0].nodes);
  EXPECT_EQ(extents[1].rows, 200) << "each node is owned once";
  EXPECT_EQ(extents[1].edges, static_cast<double>(dataset.manifest().edges));
  EXPECT_GT(extents[0].edges, extents[1].edges);
}

TEST(LayerExtents, AreThoseOfTheChunksInThePlan) {
  const test::ScratchFolder folder;
  test::write_sample_dataset(folder.path(), {.nodes = 60, .chunks = 2, .halo = "none"});
  const Dataset dataset(folder.path());
  const auto extents = layer_extents(dataset, {Step{{MicroBatch{1}}, 1}}, 3);
  const ManifestChunk& chunk = dataset.manifest().chunks[1];
  for (const LayerExtent& extent : extents) {
    EXPECT_EQ(extent.rows, static_cast<double>(chunk.owned));
    EXPECT_EQ(extent.edges, static_cast<double>(chunk.edges));
    EXPECT_EQ(extent.node_features, static_cast<double>(5 * chunk.nodes));
  }
}

}  // namespace
}  // namespace regatta
