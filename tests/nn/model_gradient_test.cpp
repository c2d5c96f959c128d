// The whole layer (projection, attention, bias, residual, norm, activation) against finite
// differences, and batches of ranges of targets against the whole chunk.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "core/rng.h"
#include "nn/keyed_dropout.h"
#include "nn/model.h"

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

ModelOptions two_layers(const std::string& attention) {
  LayerOptions first;
  first.attention = attention;
  first.heads = 2;
  first.width = 3;
  first.activation = "tanh";
  first.input_dropout = 0.3;
  first.attention_dropout = 0.4;
  first.message_dropout = 0.2;
  first.residual = first.layer_norm = true;
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

class ModelGradient
    : public ::testing::TestWithParam<std::tuple<std::string, std::string, FeatureKind>> {};

TEST_P(ModelGradient, AgreesWithFiniteDifferences) {
  const auto& [attention, kernels, kind] = GetParam();
  for (const Shape& shape : shapes()) {
    const GraphChunk chunk = make_chunk(shape, kind, 5);
    const BatchPlacement placement{
        at::kCPU, at::kDouble, kernels == "cpu" ? &cpu_kernels() : &reference_kernels()};
    const Batch batch = make_batch(chunk, 2, false, placement);
    Model model(two_layers(attention), ModelShape{5, 4, 11, at::kDouble});
    const PassContext pass{&batch, true, 11, 2};
    const at::Tensor mix = torch::arange(shape.nodes * 4, torch::kDouble).reshape({-1, 4}).sin();
    const auto loss = [&] { return (forward_all(model, pass) * mix).sum(); };
    loss().backward();

    const torch::NoGradGuard no_grad;
    constexpr double kStep = 1e-6;
    for (const auto& [name, parameter] : model.named()) {
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
                         ::testing::Combine(::testing::ValuesIn(attention_names()),
                                            ::testing::Values("reference", "cpu"),
                                            ::testing::Values(FeatureKind::kDense,
                                                              FeatureKind::kSparse)),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" + std::get<1>(info.param) +
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
  const at::Tensor whole = keyed_dropout(x, id, 0.6, key);
  const at::Tensor order = torch::randperm(500);
  EXPECT_TRUE(torch::equal(keyed_dropout(x, id.index_select(0, order), 0.6, key),
                           whole.index_select(0, order)));
  EXPECT_NEAR((whole == 0).to(torch::kDouble).mean().item<double>(), 0.6, 0.02);
  EXPECT_NEAR(whole.max().item<double>(), 2.5, 1e-6);
  EXPECT_FALSE(torch::equal(
      whole, keyed_dropout(x, id, 0.6, make_random_key(1, RandomPurpose::kInputDropout, 3, 3))));
}

}  // namespace
}  // namespace regatta
