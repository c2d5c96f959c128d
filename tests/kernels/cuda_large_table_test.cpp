// Tables of more than 2^31 elements: the nodes of a small graph are put at places all over a large
// one, whose other rows have no edges, and have to get what the reference gives the small graph.
#include "core/rng.h"
#include "kernels/attention_case.h"
#include "kernels/cuda_library.h"

#include <c10/util/Exception.h>
#include <torch/types.h>

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>
#include <vector>

namespace regatta::test {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
/// In rows without edges: whoever reads one shows it.
constexpr double kStray = 1e10;

/// Lists of none, one, several, and more edges than one piece holds; rows are all nodes.
GraphShape small_shape() {
  GraphShape shape{"placed", 48, std::vector<std::int64_t>(48, 5)};
  shape.degrees[0] = shape.degrees[30] = 1;
  shape.degrees[1] = shape.degrees[31] = shape.degrees[46] = 0;
  shape.degrees[2] = shape.degrees[47] = 70;
  shape.degrees[3] = 2500;
  return shape;
}

/// Ascending: a third at the start, a third round `middle`, a third at the end.
std::vector<std::int64_t> spread_places(std::int64_t count,
                                        std::int64_t nodes,
                                        std::int64_t middle) {
  const std::int64_t third = count / 3;
  std::vector<std::int64_t> places;
  for (std::int64_t k = 0; k < count; ++k)
    places.push_back(k < third           ? k
                     : k < count - third ? middle + k - count / 2
                                         : nodes - count + k);
  return places;
}

/// The small graph's edges between places.
PreparedGraph place_graph(const PreparedGraph& small,
                          const std::vector<std::int64_t>& places,
                          std::int64_t nodes) {
  std::vector<std::int64_t> indptr(static_cast<std::size_t>(nodes) + 1, 0), global_id;
  for (std::int64_t n = 0; n < nodes; ++n) global_id.push_back(n);
  for (std::size_t k = 0; k < places.size(); ++k) {
    const auto place = static_cast<std::size_t>(places[k]);
    indptr[place + 1] = small.in.indptr[k + 1] - small.in.indptr[k];
    global_id[place] = small.global_id[k];
  }
  for (std::size_t n = 1; n < indptr.size(); ++n) indptr[n] += indptr[n - 1];
  std::vector<std::int32_t> src;
  for (const std::int32_t j : small.in.src)
    src.push_back(static_cast<std::int32_t>(places[static_cast<std::size_t>(j)]));
  return prepare_graph({nodes, nodes, std::move(indptr), std::move(src), small.in.edge_id},
                       std::move(global_id));
}

/// Arrays of the large graph, by the names of AttentionCase.
class PlacedArrays {
 public:
  PlacedArrays(std::vector<std::int64_t> places, std::int64_t nodes, at::Device device)
      : places_(std::move(places)), nodes_(nodes), device_(device) {}

  /// Rows of the small graph at their places, `elsewhere` in all other rows.
  void* rows(const std::string& name,
             at::ScalarType type,
             const std::vector<double>& values,
             double elsewhere) {
    const auto count = static_cast<std::int64_t>(places_.size());
    const at::Tensor small = tensor(values, type).view({count, -1});
    at::Tensor large = torch::full({nodes_, small.size(1)}, elsewhere, small.options());
    for (std::int64_t k = 0; k < count; ++k) large[place(k)].copy_(small[k]);
    return keep(name, large);
  }
  void* whole(const std::string& name, const std::vector<double>& values) {
    return keep(name, tensor(values, at::kFloat));
  }
  /// All NaN: a cell left unwritten shows.
  void* unwritten(const std::string& name, at::IntArrayRef shape, at::ScalarType type) {
    return keep(name, torch::full(shape, kNothing, torch::dtype(type).device(device_)));
  }
  void* like(const std::string& name, const std::string& other) {
    return unwritten(name, arrays_.at(other).sizes(), arrays_.at(other).scalar_type());
  }
  void* workspace(const std::string& name, std::size_t bytes) {
    return keep(
        name,
        torch::full(
            {static_cast<std::int64_t>(bytes) + 1}, 255, torch::dtype(at::kByte).device(device_)));
  }
  void* find(const std::string& name) const {
    const auto found = arrays_.find(name);
    return found == arrays_.end() ? nullptr : found->second.data_ptr();
  }
  void drop(const std::string& name) { arrays_.erase(name); }

  /// Of the small graph's nodes.
  std::vector<double> at_places(const std::string& name) const {
    std::vector<at::Tensor> rows;
    for (std::size_t k = 0; k < places_.size(); ++k)
      rows.push_back(arrays_.at(name)[places_[k]].to(at::kDouble).cpu());
    return values_of(torch::cat(rows));
  }
  std::vector<double> all_of(const std::string& name) const {
    return values_of(arrays_.at(name).to(at::kDouble).cpu());
  }
  /// Whether all other rows are 0. Clears those at the places.
  bool zero_elsewhere(const std::string& name) {
    at::Tensor& table = arrays_.at(name);
    for (const std::int64_t place : places_) table[place].zero_();
    bool any = false;
    for (const at::Tensor& part : table.split(100'000)) any = any || part.ne(0).any().item<bool>();
    return !any;
  }

 private:
  std::int64_t place(std::int64_t k) const { return places_[static_cast<std::size_t>(k)]; }
  at::Tensor tensor(const std::vector<double>& values, at::ScalarType type) const {
    return torch::tensor(values, torch::dtype(at::kDouble)).to(type).to(device_);
  }
  static std::vector<double> values_of(const at::Tensor& tensor) {
    const at::Tensor flat = tensor.contiguous().flatten();
    const auto* first = flat.const_data_ptr<double>();
    return {first, first + flat.numel()};
  }
  void* keep(const std::string& name, at::Tensor array) {
    return arrays_.insert_or_assign(name, std::move(array)).first->second.data_ptr();
  }

  std::vector<std::int64_t> places_;
  std::int64_t nodes_;
  at::Device device_;
  std::map<std::string, at::Tensor> arrays_;
};

/// Forward and backward of the large graph.
class PlacedRun {
 public:
  PlacedRun(const KernelTable& table,
            const AttentionCase& small,
            const PreparedGraph& graph,
            PlacedArrays& arrays)
      : table_(table), small_(small), arrays_(arrays) {
    place_inputs();
    in_.graph = &graph;
    in_.rows = in_.nodes = graph.in.rows;
  }

  void forward() {
    const std::vector<std::int64_t> of_rows{in_.rows, in_.heads * in_.width};
    forward_.in = in_;
    forward_.out = arrays_.unwritten("out", of_rows, at::kBFloat16);
    forward_.logsumexp = arrays_.unwritten("logsumexp", {in_.rows, in_.heads}, at::kFloat);
    if (in_.kind == AttentionKind::kGat)
      forward_.correction = arrays_.unwritten("correction", of_rows, at::kBFloat16);
    if (small_.epilogue) {
      forward_.epilogue.activation = small_.activation;
      forward_.epilogue.bias = arrays_.find("bias");
      forward_.epilogue.residual = arrays_.find("residual");
      forward_.epilogue.y = arrays_.unwritten("y", of_rows, at::kBFloat16);
    }
    forward_.workspace = arrays_.workspace("space", table_.forward_workspace_bytes(forward_));
    table_.forward(forward_);
  }

  void backward() {
    arrays_.drop("space");
    AttentionBackwardArgs args;
    args.in = in_;
    args.out = forward_.out;
    args.logsumexp = forward_.logsumexp;
    args.correction = forward_.correction;
    args.epilogue = forward_.epilogue;
    args.grad_out = arrays_.find("grad_out");
    args.grad_value = grad("value");
    args.grad_query = grad("query");
    args.grad_key = grad("key");
    if (in_.shares_table())
      args.grad_query = args.grad_key = args.grad_value;
    args.grad_source_logit = grad("s");
    args.grad_destination_logit = grad("t");
    args.grad_attention_vector = grad("a");
    args.grad_bias = grad("bias");
    args.grad_residual = grad("residual");
    args.workspace = arrays_.workspace("space", table_.backward_workspace_bytes(args));
    table_.backward(args);
  }

 private:
  void* grad(const std::string& name) {
    return arrays_.find(name) == nullptr ? nullptr : arrays_.like("grad." + name, name);
  }

  /// What comes to every row, with or without edges, is 0 in those without.
  void place_inputs() {
    for (const auto& [name, values] : small_.arrays) {
      const bool scalars = name == "s" || name == "t";
      if (name == "a" || name == "bias")
        arrays_.whole(name, values);
      else
        arrays_.rows(name,
                     scalars ? at::kFloat : at::kBFloat16,
                     values,
                     name == "grad_out" || name == "residual" ? 0 : kStray);
    }
    in_.kind = small_.kind;
    in_.dtype = small_.dtype;
    in_.heads = small_.heads;
    in_.width = small_.width;
    in_.value = arrays_.find("value");
    in_.query =
        small_.kind == AttentionKind::kDot && small_.shared ? in_.value : arrays_.find("query");
    in_.key = small_.kind == AttentionKind::kDot && small_.shared ? in_.value : arrays_.find("key");
    in_.source_logit = arrays_.find("s");
    in_.destination_logit = arrays_.find("t");
    in_.attention_vector = arrays_.find("a");
    in_.negative_slope = small_.negative_slope;
    in_.scale = small_.scale;
    // Those of attention_case.cpp.
    in_.attention_dropout = {small_.attention_dropout,
                             make_random_key(7, RandomPurpose::kAttentionDropout, 3, 1)};
    in_.message_dropout = {small_.message_dropout,
                           make_random_key(7, RandomPurpose::kMessageDropout, 3, 1)};
  }

  const KernelTable& table_;
  const AttentionCase& small_;
  PlacedArrays& arrays_;
  AttentionInputs in_;
  AttentionForwardArgs forward_;
};

AttentionCase small_case(CaseOptions kind) {
  kind.dtype = KernelType::kBFloat16;
  kind.heads = 16;
  kind.width = 64;
  kind.attention_dropout = 0.3;
  kind.message_dropout = 0.4;
  kind.epilogue = kind.kind == AttentionKind::kGat;  // one kind: it adds three tables
  return make_case(small_shape(), kind);
}

/// The small case within `nodes` nodes, on the CPU table or on GPU 0.
void check(const KernelTable& table,
           const CaseOptions& kind,
           std::int64_t nodes,
           at::Device device) {
  const AttentionCase small = small_case(kind);
  // Element 2^31 is within the middle third, where there are so many.
  const std::int64_t boundary = (std::int64_t{1} << 31) / (small.heads * small.width);
  const std::vector<std::int64_t> places =
      spread_places(small.rows, nodes, boundary < nodes ? boundary : nodes / 2);
  const PreparedGraph host = place_graph(small.graph, places, nodes);
  const PreparedGraph graph = device.is_cuda() ? on_device(host) : host;
  PlacedArrays arrays(places, nodes, device);
  PlacedRun run(table, small, graph, arrays);
  run.forward();
  run.backward();
  const double limit = error_limit(small);
  for (const auto& [name, expected] : run_table(reference_kernels(), small)) {
    if (name == "weights")
      continue;
    const bool whole = name == "grad.a" || name == "grad.bias";
    const std::vector<double> found = whole ? arrays.all_of(name) : arrays.at_places(name);
    EXPECT_LE(
        relative_error(found, expected, error_floor(name, expected.size(), small.width, limit)),
        limit)
        << name;
    if (!whole && name != "y") {
      EXPECT_TRUE(arrays.zero_elsewhere(name)) << name << " of rows without edges";
    }
  }
}

/// What this test itself does, where a processor can tell.
TEST(PlacedRows, GetTheSmallGraphsValuesOnTheProcessor) {
  for (const CaseOptions& kind : all_kinds()) {
    SCOPED_TRACE(kind_name(kind));
    check(cpu_kernels(), kind, 1000, at::kCPU);
  }
}

class LargeTables : public ::testing::TestWithParam<CaseOptions> {};

TEST_P(LargeTables, OfMoreThanTwoToThe31Elements) {
  constexpr std::int64_t kNodes = 2'200'000;
  try {
    check(*plugin().kernels(), GetParam(), kNodes, at::kCUDA);
  } catch (const c10::OutOfMemoryError&) {
    GTEST_SKIP() << "SKIPPED: needs 26 GiB of free device memory (gat, transformer: 35)";
  }
}

INSTANTIATE_TEST_SUITE_P(AllKinds,
                         LargeTables,
                         ::testing::ValuesIn(all_kinds()),
                         [](const auto& info) { return kind_name(info.param); });

}  // namespace
}  // namespace regatta::test
