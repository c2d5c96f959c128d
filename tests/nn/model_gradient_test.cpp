// The whole layer (projection, attention, bias, residual, norm, activation) against finite
// differences, and batches of ranges of targets against the whole chunk.
#include "core/error.h"
#include "core/rng.h"
#include "nn/keyed_dropout.h"
#include "nn/model.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace regatta {
namespace {

struct Shape {
  std::string name;
  std::int64_t nodes;
  std::vector<std::pair<std::int32_t, std::int32_t>> edges;  ///< (destination, source)
};

std::vector<Shape> shapes() {
  Shape hub{"hub", 12, {}};
  for (std::int32_t j = 1; j < 12; ++j) hub.edges.emplace_back(0, j);
  hub.edges.emplace_back(5, 0);
  return {{"empty_rows", 6, {{0, 1}, {0, 2}, {3, 3}, {4, 0}}},
          {"parallel_edges", 4, {{0, 1}, {0, 1}, {0, 1}, {1, 0}, {2, 2}, {2, 2}}},
          hub,
          {"one_node", 1, {{0, 0}}},
          {"no_edge", 3, {}}};
}

/// Owned nodes only (no halo), so every layer computes every row.
GraphChunk make_chunk(const Shape& shape, FeatureKind kind, std::int64_t width) {
  auto edges = shape.edges;
  std::sort(edges.begin(), edges.end());
  std::vector<std::int64_t> indptr{0}, edge_id, global_id;
  std::vector<std::int32_t> src;
  for (std::int64_t i = 0; i < shape.nodes; ++i) {
    for (const auto& [destination, source] : edges) {
      if (destination != i)
        continue;
      edge_id.push_back(static_cast<std::int64_t>(src.size()) + 100);
      src.push_back(source);
    }
    indptr.push_back(static_cast<std::int64_t>(src.size()));
    global_id.push_back(7 * i + 3);
  }
  GraphChunk chunk;
  chunk.num_owned = shape.nodes;
  chunk.graph = {shape.nodes, shape.nodes, std::move(indptr), std::move(src), std::move(edge_id)};
  chunk.global_id = std::move(global_id);
  chunk.ring_ptr = std::vector<std::int64_t>{0, shape.nodes};
  chunk.features.kind = kind;
  chunk.features.width = width;
  RandomStream stream(make_random_key(5, RandomPurpose::kInitialWeights, "features"));
  std::vector<float> values;
  std::vector<std::int64_t> row_ptr{0};
  std::vector<std::int32_t> index;
  for (std::int64_t i = 0; i < shape.nodes; ++i) {
    for (std::int32_t f = 0; f < width; ++f) {
      if (kind == FeatureKind::kSparse && (i + f) % 3 == 0)
        continue;
      values.push_back(static_cast<float>(stream.next_normal()));
      index.push_back(f);
    }
    row_ptr.push_back(static_cast<std::int64_t>(index.size()));
  }
  if (kind == FeatureKind::kDense) {
    chunk.features.x = std::move(values);
  } else {
    chunk.features.x_indptr = std::move(row_ptr);
    chunk.features.x_index = std::move(index);
    chunk.features.x_value = std::move(values);
  }
  return chunk;
}

constexpr std::int64_t kEdgeFeatures = 2;
constexpr std::int64_t kEdgeTypes = 3;

/// The batch of `chunk` with features and a type for each edge, by the edge's global id.
Batch batch_with_edges(const GraphChunk& chunk, BatchPlacement placement) {
  Batch batch = make_batch(chunk, 2, false, placement);
  std::vector<double> x;
  std::vector<std::int64_t> type;
  for (const std::int64_t id : chunk.graph.edge_id) {
    for (std::int64_t f = 0; f < kEdgeFeatures; ++f)
      x.push_back(std::sin(static_cast<double>(3 * id + f)));
    type.push_back(id % kEdgeTypes);
  }
  const auto edges = static_cast<std::int64_t>(type.size());
  batch.edge_x = torch::tensor(x, placement.dtype).view({edges, kEdgeFeatures});
  batch.edge_type = torch::tensor(type, torch::kInt64);
  batch.placement.relations = kEdgeTypes;
  add_relation_graphs(batch, chunk.graph);
  return batch;
}

ModelOptions two_layers(const std::string& attention) {
  LayerOptions first;
  first.attention = attention;
  first.heads = 2;
  first.width = 3;
  first.activation = "tanh";
  first.input_dropout = 0.3;
  first.attention_dropout = 0.4;
  first.message_dropout = 0.2;
  first.residual = "true";
  first.layer_norm = true;
  LayerOptions last = first;
  last.heads = 3;
  last.width = 0;
  last.combine = "mean";
  last.activation = "none";
  last.layer_norm = false;
  ModelOptions options;
  options.layers = {first, last};
  return options;
}

/// A kind of attention with what may stand in and round it.
struct Variant {
  std::string name;
  ModelOptions options;
};

template <class Change>
Variant variant(const std::string& name, const std::string& attention, const Change& change) {
  Variant made{attention + "_" + name, two_layers(attention)};
  for (LayerOptions& layer : made.options.layers) change(layer);
  return made;
}

std::vector<Variant> variants() {
  std::vector<Variant> all;
  for (const std::string& kind : attention_names()) {
    all.push_back({kind, two_layers(kind)});
    all.push_back(variant("edges", kind, [](LayerOptions& layer) { layer.edge_features = true; }));
    all.push_back(variant("relation_bias", kind, [](LayerOptions& layer) {
      layer.relations = "bias";
      layer.edge_features = true;
      layer.logit_scale = 0.7;
    }));
    all.push_back(variant("relation_parameters", kind, [](LayerOptions& layer) {
      layer.relations = "parameters";
      layer.edge_features = true;
      layer.logit_scale = 1.3;
    }));
    all.push_back(variant("fused", kind, [](LayerOptions& layer) {
      layer.layer_norm = false;
      layer.activation = "elu";
      layer.residual = "input";
    }));
  }
  all.push_back(variant("on_input", "dot", [](LayerOptions& layer) {
    layer.score_on = "input";
    layer.edge_features = true;
    layer.relations = "bias";
  }));
  all.push_back(variant("unscaled", "dot", [](LayerOptions& layer) { layer.scale = "none"; }));
  all.push_back(
      variant("shared", "gatv2", [](LayerOptions& layer) { layer.share_weights = true; }));
  all.push_back(variant("graph_norm", "gat", [](LayerOptions& layer) {
    layer.layer_norm = false;
    layer.norm = "graph";
    layer.feed_forward = 4;
  }));
  Variant block = variant("block_before", "transformer", [](LayerOptions& layer) {
    layer.layer_norm = false;
    layer.norm = "layer";
    layer.norm_place = "before";
    layer.feed_forward = 5;
    layer.activation = "none";
  });
  block.options.layers[0].norm_place = "after";  // sparse features cannot be normed before
  block.options.layers[1].combine = "concat";
  block.options.layers[1].heads = 2;
  block.options.layers[1].width = 3;
  block.options.layers[1].residual = "identity";
  block.options.jumping_knowledge = "concat";
  all.push_back(block);
  block.name = "transformer_jumping_max";
  block.options.jumping_knowledge = "max";
  all.push_back(block);
  return all;
}

/// Biases start at 0, and a row that is all 0 (everything dropped) makes layer norm too steep for
/// finite differences.
void move_biases(Model& model) {
  const torch::NoGradGuard no_grad;
  for (const auto& [name, parameter] : model.named()) {
    if (name.find("bias") != std::string::npos)
      at::Tensor(parameter) +=
          torch::arange(1, parameter.numel() + 1, torch::kDouble).cos().view_as(parameter);
  }
}

class ModelGradient
    : public ::testing::TestWithParam<std::tuple<Variant, std::string, FeatureKind>> {};

TEST_P(ModelGradient, AgreesWithFiniteDifferences) {
  const auto& [variant, kernels, kind] = GetParam();
  for (const Shape& shape : shapes()) {
    const GraphChunk chunk = make_chunk(shape, kind, 5);
    const BatchPlacement placement{
        at::kCPU, at::kDouble, kernels == "cpu" ? &cpu_kernels() : &reference_kernels()};
    const Batch batch = batch_with_edges(chunk, placement);
    Model model(variant.options, ModelShape{5, 4, 11, at::kDouble, kEdgeFeatures, kEdgeTypes});
    move_biases(model);
    const PassContext pass{&batch, true, 11, 2};
    const at::Tensor mix = torch::arange(shape.nodes * 4, torch::kDouble).reshape({-1, 4}).sin();
    const auto loss = [&] { return (forward_all(model, pass) * mix).sum(); };
    loss().backward();

    const torch::NoGradGuard no_grad;
    constexpr double kStep = 1e-6;
    for (const auto& [name, parameter] : model.named()) {
      ASSERT_TRUE(parameter.grad().defined()) << shape.name << " " << name;
      const at::Tensor flat = parameter.view({-1});
      for (std::int64_t i = 0; i < flat.numel(); i += 1 + flat.numel() / 7) {
        const double before = flat[i].item<double>();
        flat[i] = before + kStep;
        const double up = loss().item<double>();
        flat[i] = before - kStep;
        const double down = loss().item<double>();
        flat[i] = before;
        const double expected = (up - down) / (2 * kStep);
        const double got = parameter.grad().view({-1})[i].item<double>();
        EXPECT_NEAR(got, expected, 1e-6 * (1 + std::abs(expected)))
            << shape.name << " " << name << "[" << i << "]";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds,
                         ModelGradient,
                         ::testing::Combine(::testing::ValuesIn(variants()),
                                            ::testing::Values("reference", "cpu"),
                                            ::testing::Values(FeatureKind::kDense,
                                                              FeatureKind::kSparse)),
                         [](const auto& info) {
                           return std::get<0>(info.param).name + "_" + std::get<1>(info.param) +
                                  (std::get<2>(info.param) == FeatureKind::kDense ? "_dense"
                                                                                  : "_sparse");
                         });

TEST(RangeBatch, GivesTheTargetsTheRowsOfTheWholeChunk) {
  Shape ring{"ring", 40, {}};
  for (std::int32_t i = 0; i < 40; ++i) {
    ring.edges.emplace_back(i, (i + 1) % 40);
    ring.edges.emplace_back(i, (i * 7) % 40);
  }
  for (const FeatureKind kind : {FeatureKind::kDense, FeatureKind::kSparse}) {
    const GraphChunk chunk = make_chunk(ring, kind, 5);
    const BatchPlacement placement{at::kCPU, at::kDouble, &cpu_kernels()};
    const Batch whole = make_batch(chunk, 2, false, placement);
    const std::vector<std::int64_t> targets{3, 8, 31};
    std::vector<std::int64_t> row_of_target;
    const Batch part = make_range_batch(chunk, targets, 2, false, placement, row_of_target);
    EXPECT_LT(part.graph.in.nodes, 40);
    Model model(two_layers("gat"), ModelShape{5, 4, 11, at::kDouble});
    const torch::NoGradGuard no_grad;
    const at::Tensor all = forward_all(model, PassContext{&whole, true, 11, 2});
    const at::Tensor some = forward_all(model, PassContext{&part, true, 11, 2});
    for (std::size_t t = 0; t < targets.size(); ++t) {
      EXPECT_LT((all[targets[t]] - some[row_of_target[t]]).abs().max().item<double>(), 1e-12);
    }
  }
}

TEST(Batch, RefusesAModelDeeperThanTheHalo) {
  GraphChunk chunk = make_chunk(shapes()[0], FeatureKind::kDense, 5);
  try {
    make_batch(chunk, 2, true, {at::kCPU, at::kFloat, &cpu_kernels()});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kData);
    EXPECT_NE(std::string(error.what()).find("hops >= 2"), std::string::npos) << error.what();
  }
}

TEST(Batch, RefusesARelationThatTheModelDoesNotKnow) {
  const GraphChunk chunk = make_chunk(shapes()[0], FeatureKind::kDense, 5);
  Batch batch = batch_with_edges(chunk, {at::kCPU, at::kDouble, &cpu_kernels()});
  batch.placement.relations = 2;
  EXPECT_THROW(add_relation_graphs(batch, chunk.graph), Error);
}

/// The message of what `run` throws.
template <class Run>
std::string message_of(const Run& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Model, KeepsTheNamesOfOlderCheckpoints) {
  for (const std::string kind : {"gat", "dot"}) {
    Model model(two_layers(kind), ModelShape{5, 4, 11, at::kDouble});
    std::vector<std::string> names;
    for (const auto& [name, parameter] : model.named()) names.push_back(name);
    std::vector<std::string> expected{"layers.0.weight",
                                      "layers.0.bias",
                                      "layers.0.residual",
                                      "layers.0.norm_weight",
                                      "layers.0.norm_bias"};
    const auto attention = [&expected, &kind](const char* layer) {
      if (kind != "gat")
        return;
      expected.push_back(std::string(layer) + ".attention.source");
      expected.push_back(std::string(layer) + ".attention.destination");
    };
    attention("layers.0");
    for (const char* name : {"layers.1.weight", "layers.1.bias", "layers.1.residual"})
      expected.emplace_back(name);
    attention("layers.1");
    EXPECT_EQ(names, expected) << kind;
  }
}

TEST(Model, WhatTheDatasetLacksIsNamed) {
  ModelOptions options = two_layers("gat");
  options.layers[1].edge_features = true;
  const ModelShape shape{5, 4, 11, at::kDouble};
  EXPECT_NE(message_of([&] { Model(options, shape); }).find("model.layers.1.edge_features: the"),
            std::string::npos);
  options = two_layers("gat");
  options.layers[0].relations = "parameters";
  EXPECT_NE(
      message_of([&] { Model(options, shape); }).find("model.layers.0.relations: 'parameters'"),
      std::string::npos);
}

TEST(Model, InputsThatDoNotFitNameLayerAndShapes) {
  const GraphChunk chunk = make_chunk(shapes()[0], FeatureKind::kDense, 5);
  const Batch batch = make_batch(chunk, 2, false, {at::kCPU, at::kDouble, &cpu_kernels()});
  Model model(two_layers("gatv2"), ModelShape{5, 4, 11, at::kDouble});
  const PassContext pass{&batch, false, 11, 2};
  const std::string message = message_of([&] {
    model.forward_layer(1, pass, torch::zeros({6, 5}, torch::kDouble));
  });
  EXPECT_EQ(message, "model.layers.1: input of shape [6, 5] found, expected [6, 6]");
}

TEST(Model, TheFirstTensorThatIsNotFiniteIsNamed) {
  const GraphChunk chunk = make_chunk(shapes()[0], FeatureKind::kDense, 5);
  const Batch batch = make_batch(chunk, 2, false, {at::kCPU, at::kFloat, &cpu_kernels()});
  Model model(two_layers("transformer"), ModelShape{5, 4, 11, at::kFloat});
  const torch::NoGradGuard no_grad;
  for (auto& [name, parameter] : model.named()) {
    if (name == "layers.1.weight_key")
      parameter[0][0] = std::numeric_limits<float>::quiet_NaN();
  }
  FiniteTrace trace;
  forward_all(model, PassContext{&batch, false, 11, 2, &trace});
  EXPECT_EQ(trace.fault(),
            "model.layers.1: tensor 'key' [6, 3, 4] has 6 NaN and 0 infinite values");
}

TEST(Model, GraphNormNeedsTheWholeGraph) {
  ModelOptions options = two_layers("gat");
  options.layers[0].layer_norm = false;
  options.layers[0].norm = "graph";
  EXPECT_NO_THROW(check_model_fits(options, 1, true));
  EXPECT_THROW(check_model_fits(options, 4, true), Error);
  EXPECT_THROW(check_model_fits(options, 1, false), Error);
}

TEST(Model, WidthsThatDoNotFitAreNamed) {
  ModelOptions options = two_layers("gat");
  options.layers[0].width = 0;
  EXPECT_THROW(Model(options, ModelShape{5, 4, 1, at::kFloat}), Error);
  options = two_layers("gat");
  options.layers[1].combine = "concat";
  EXPECT_THROW(Model(options, ModelShape{5, 4, 1, at::kFloat}), Error);
}

TEST(KeyedDropout, DependsOnGlobalIdsOnly) {
  const at::Tensor x = torch::ones({500, 30});
  const at::Tensor id = torch::arange(500, torch::kInt64);
  const RandomKey key = make_random_key(1, RandomPurpose::kInputDropout, 2, 3);
  const auto dropped = [&](const at::Tensor& ids, RandomKey with) {
    return keyed_dropout(x, ids.const_data_ptr<std::int64_t>(), {0.6, with}, cpu_kernels());
  };
  const at::Tensor whole = dropped(id, key);
  const at::Tensor order = torch::randperm(500);
  EXPECT_TRUE(torch::equal(dropped(id.index_select(0, order), key), whole.index_select(0, order)));
  EXPECT_NEAR((whole == 0).to(torch::kDouble).mean().item<double>(), 0.6, 0.02);
  EXPECT_NEAR(whole.max().item<double>(), 2.5, 1e-6);
  EXPECT_FALSE(
      torch::equal(whole, dropped(id, make_random_key(1, RandomPurpose::kInputDropout, 3, 3))));
}

}  // namespace
}  // namespace regatta
