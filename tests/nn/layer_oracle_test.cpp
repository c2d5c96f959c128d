// Whole layers against PyTorch Geometric in double: output, attention weights and all gradients.
#include "checkpoint/safetensors.h"
#include "nn/attention_layer.h"
#include "nn/precision.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <unistd.h>

namespace regatta {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kNodes = 24, kFeatures = 6, kEdgeFeatures = 3, kEdgeTypes = 3;

struct Case {
  std::string name;
  LayerOptions options;
  std::int64_t width = 3;
  std::string kind;            ///< of pyg_layers.py; empty: that of the options
  std::string block = "none";  ///< of pyg_layers.py
};

Case make_case(const std::string& name, const std::string& attention, std::int64_t heads) {
  Case made;
  made.name = name;
  made.options.attention = attention;
  made.options.heads = heads;
  return made;
}

/// Every kind with and without edge features, heads concatenated and averaged.
void add_kinds(std::vector<Case>& all) {
  for (const std::string kind : {"gat", "gatv2", "transformer"}) {
    all.push_back(make_case(kind, kind, 2));
    Case edges = make_case(kind + "_edges", kind, 4);
    edges.options.edge_features = true;
    edges.options.combine = "mean";
    edges.width = 5;
    all.push_back(edges);
  }
  Case shared = make_case("gatv2_shared", "gatv2", 3);
  shared.options.share_weights = true;
  all.push_back(shared);
}

std::vector<Case> cases() {
  std::vector<Case> all;
  add_kinds(all);
  Case dot = make_case("dot_relation_bias", "dot", 2);
  dot.options.relations = "bias";
  all.push_back(dot);
  dot.name = "dot_on_input";
  dot.options.score_on = "input";
  dot.options.edge_features = true;
  all.push_back(dot);
  Case relations = make_case("relational_gat", "gat", 2);
  relations.options.relations = "parameters";
  relations.kind = "relational_gat";
  all.push_back(relations);
  Case norm = make_case("graph_norm", "gat", 2);
  norm.options.norm = norm.block = "graph";
  norm.block = "graph_norm";
  all.push_back(norm);
  Case block = make_case("transformer_block", "transformer", 2);
  block.options.norm = "layer";
  block.options.residual = "identity";
  block.options.feed_forward = 7;
  block.block = "transformer";
  all.push_back(block);
  return all;
}

/// Rows with 0 to 8 in-edges, some of them parallel.
GraphChunk make_graph() {
  RandomStream stream(make_random_key(3, RandomPurpose::kInitialWeights, "graph"));
  std::vector<std::int64_t> indptr{0}, edge_id, global_id;
  std::vector<std::int32_t> src;
  for (std::int64_t i = 0; i < kNodes; ++i) {
    std::vector<std::int32_t> sources(stream.next_below(9));
    for (auto& j : sources) j = static_cast<std::int32_t>(stream.next_below(kNodes));
    if (sources.size() > 2)
      sources[1] = sources[0];
    std::sort(sources.begin(), sources.end());
    for (const std::int32_t j : sources) {
      edge_id.push_back(static_cast<std::int64_t>(src.size()));
      src.push_back(j);
    }
    indptr.push_back(static_cast<std::int64_t>(src.size()));
    global_id.push_back(i);
  }
  GraphChunk chunk;
  chunk.num_owned = kNodes;
  chunk.graph = {kNodes, kNodes, std::move(indptr), std::move(src), std::move(edge_id)};
  chunk.global_id = std::move(global_id);
  chunk.ring_ptr = std::vector<std::int64_t>{0, kNodes};
  chunk.features.kind = FeatureKind::kDense;
  chunk.features.width = kFeatures;
  chunk.features.x = std::vector<float>(kNodes * kFeatures, 0.0F);
  return chunk;
}

at::Tensor draw(const std::string& name, const std::vector<std::int64_t>& shape) {
  RandomStream stream(make_random_key(9, RandomPurpose::kInitialWeights, name));
  at::Tensor values = torch::empty(shape, torch::kDouble);
  for (std::int64_t i = 0; i < values.numel(); ++i)
    values.mutable_data_ptr<double>()[i] = stream.next_normal();
  return values;
}

/// One case: batch, layer with parameters drawn anew, input of type `storage`.
struct Arrangement {
  Arrangement(const Case& c, const KernelTable& kernels, at::ScalarType storage = at::kDouble) {
    const at::ScalarType working = working_type(storage);
    const GraphChunk chunk = make_graph();
    batch = make_batch(chunk, 1, false, {at::kCPU, storage, &kernels, kEdgeTypes});
    const auto edges = static_cast<std::int64_t>(chunk.graph.src.size());
    batch.edge_x = draw("edge_x", {edges, kEdgeFeatures}).to(working);
    batch.edge_type = torch::arange(edges, torch::kInt64).remainder(kEdgeTypes);
    add_relation_graphs(batch, chunk.graph);
    LayerShape shape{kFeatures, c.width, 0, 5, working, kFeatures, kEdgeFeatures, kEdgeTypes};
    layer = std::make_shared<AttentionLayer>(c.options, shape);
    const torch::NoGradGuard no_grad;
    for (auto& item : layer->named_parameters()) {
      // Relations share their attention vectors, as PyG's RGATConv does.
      const bool vector = item.key().find(".source") != std::string::npos ||
                          item.key().find(".destination") != std::string::npos;
      const auto cut = vector ? item.key().rfind('.') : 0;
      item.value().copy_(draw(item.key().substr(cut), item.value().sizes().vec()));
    }
    x = draw("x", {kNodes, kFeatures}).to(storage).requires_grad_();
    grad_out = draw("grad_out", {kNodes, layer->output_width()});
  }

  Batch batch;
  std::shared_ptr<AttentionLayer> layer;
  at::Tensor x, grad_out;
};

class LayerOracle : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fs::temp_directory_path() / ("regatta_layers_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    nlohmann::json list = nlohmann::json::array();
    for (const Case& c : cases()) list.push_back(write(c));
    std::ofstream(folder_ / "cases.json") << list;
    const std::string command = std::string(REGATTA_PYTHON) + " " + REGATTA_SOURCE_DIR +
                                "/tests/oracle/pyg_layers.py " + folder_.string();
    status_ = std::system(command.c_str());
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  static nlohmann::json write(const Case& c) {
    const Arrangement arranged(c, reference_kernels());
    const CsrView in = arranged.batch.graph.in.view();
    std::vector<std::int64_t> source(in.src.begin(), in.src.end()), destination;
    for (std::int64_t i = 0; i < in.rows; ++i)
      destination.resize(static_cast<std::size_t>(in.indptr[static_cast<std::size_t>(i) + 1]), i);
    NamedTensors tensors{{"x", arranged.x.detach()},
                         {"src", torch::tensor(source)},
                         {"dst", torch::tensor(destination)},
                         {"grad_out", arranged.grad_out},
                         {"edge_x", arranged.batch.edge_x},
                         {"edge_type", arranged.batch.edge_type}};
    for (const auto& item : arranged.layer->named_parameters())
      tensors.emplace_back(item.key(), item.value().detach());
    write_safetensors((folder_ / (c.name + ".safetensors")).string(), tensors);
    return {{"name", c.name},
            {"kind", c.kind.empty() ? c.options.attention : c.kind},
            {"heads", c.options.heads},
            {"width", c.width},
            {"concat", c.options.combine == "concat"},
            {"slope", c.options.negative_slope},
            {"edges", c.options.edge_features},
            {"share", c.options.share_weights},
            {"on_input", c.options.score_on == "input"},
            {"relations", kEdgeTypes},
            {"block", c.block}};
  }

  static std::map<std::string, at::Tensor> results(const Arrangement& arranged) {
    const PassContext pass{&arranged.batch};
    const at::Tensor out = arranged.layer->forward(pass, arranged.x);
    (out * arranged.grad_out).sum().backward();
    std::map<std::string, at::Tensor> found{
        {"out", out.detach()},
        {"alpha", arranged.layer->attention(pass, arranged.x.detach())},
        {"grad.x", arranged.x.grad()}};
    for (const auto& item : arranged.layer->named_parameters())
      found["grad." + item.key()] = item.value().grad();
    return found;
  }

  static inline fs::path folder_;
  static inline int status_ = -1;
};

TEST_F(LayerOracle, LayersEqualPyTorchGeometric) {
  ASSERT_EQ(status_, 0) << "the oracle needs " << REGATTA_PYTHON
                        << " with torch, torch_geometric and safetensors";
  for (const Case& c : cases())
    for (const KernelTable* kernels : {&reference_kernels(), &cpu_kernels()}) {
      SCOPED_TRACE(c.name + " by " + kernels->name);
      const auto found = results(Arrangement(c, *kernels));
      const NamedTensors expected =
          read_safetensors((folder_ / (c.name + ".expected.safetensors")).string());
      ASSERT_GE(expected.size(), 4U);
      for (const auto& [name, tensor] : expected) {
        ASSERT_EQ(found.count(name), 1U) << name;
        const at::Tensor ours = found.at(name).reshape(tensor.sizes());
        const double error =
            (ours - tensor).norm().item<double>() / std::max(tensor.norm().item<double>(), 0.1);
        EXPECT_LE(error, 1e-10) << name;
      }
    }
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(torch::kDouble) - b).norm().item<double>() / std::max(b.norm().item<double>(), 0.1);
}

TEST(LayerPrecision, Bfloat16RowsWithWorkingTypeSumsStayNearTheExactLayer) {
  for (const Case& c : cases())
    for (const KernelTable* kernels : {&reference_kernels(), &cpu_kernels()}) {
      SCOPED_TRACE(c.name + " by " + kernels->name);
      Arrangement exact(c, reference_kernels());
      const Arrangement narrow(c, *kernels, at::kBFloat16);
      // Both read the rounded input: another sign of a logit is another slope, not an error.
      exact.x = narrow.x.detach().to(torch::kDouble).requires_grad_();
      const PassContext exact_pass{&exact.batch}, pass{&narrow.batch};
      const at::Tensor expected = exact.layer->forward(exact_pass, exact.x);
      const at::Tensor out = narrow.layer->forward(pass, narrow.x);
      EXPECT_EQ(out.scalar_type(), at::kBFloat16);
      EXPECT_LE(difference(out, expected), 0.03);
      (expected * exact.grad_out).sum().backward();
      (out.to(torch::kFloat) * narrow.grad_out.to(torch::kFloat)).sum().backward();
      EXPECT_EQ(narrow.x.grad().scalar_type(), at::kBFloat16);
      EXPECT_LE(difference(narrow.x.grad(), exact.x.grad()), 0.1);
      const auto parameters = exact.layer->named_parameters();
      for (const auto& item : narrow.layer->named_parameters()) {
        EXPECT_EQ(item.value().grad().scalar_type(), at::kFloat) << item.key();
        EXPECT_LE(difference(item.value().grad(), parameters[item.key()].grad()), 0.1)
            << item.key();
      }
    }
}

}  // namespace
}  // namespace regatta
