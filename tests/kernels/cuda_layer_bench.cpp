// Times attention layers' training steps on GPU 0: projections by LibTorch, attention by the CUDA
// table. Prints one JSON object a layer and line; launch/gpu_check/pyg_layers.py prints the same of
// PyG's layers.
//
// usage: cuda_layer_bench KINDS DTYPES [name=value ...]; KINDS, with commas: gat gatv2 dot
// transformer; DTYPES: fp32 bf16; names: nodes edges features heads width repeats dropout skew (0:
// uniform sources; 1: sources drawn as the square of a uniform number)
#include "core/rng.h"
#include "core/timer.h"
#include "kernels/cuda_library.h"
#include "kernels/storage_types.h"

#include <torch/autograd.h>
#include <torch/cuda.h>
#include <torch/types.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace regatta::test {
namespace {

struct Setting {
  std::string kind;
  std::string dtype;
  std::map<std::string, double> number = {{"nodes", 100000},
                                          {"edges", 2400000},
                                          {"features", 128},
                                          {"heads", 4},
                                          {"width", 64},
                                          {"repeats", 20},
                                          {"dropout", 0},
                                          {"skew", 0}};
  std::int64_t at(const char* name) const { return static_cast<std::int64_t>(number.at(name)); }
};

PreparedGraph random_graph(const Setting& setting) {
  const std::int64_t nodes = setting.at("nodes"), edges = setting.at("edges");
  RandomStream stream(make_random_key(1, RandomPurpose::kSplit, 0, 0));
  std::vector<std::int64_t> indptr(static_cast<std::size_t>(nodes) + 1, 0);
  for (std::int64_t e = 0; e < edges; ++e)
    ++indptr[stream.next_below(static_cast<std::uint64_t>(nodes)) + 1];
  for (std::size_t i = 1; i < indptr.size(); ++i) indptr[i] += indptr[i - 1];
  std::vector<std::int32_t> src(static_cast<std::size_t>(edges));
  for (std::int32_t& j : src) {
    const double u = stream.next_double();
    j = static_cast<std::int32_t>((setting.number.at("skew") > 0 ? u * u : u) *
                                  static_cast<double>(nodes));
  }
  for (std::size_t i = 0; i + 1 < indptr.size(); ++i)
    std::sort(src.begin() + indptr[i], src.begin() + indptr[i + 1]);
  std::vector<std::int64_t> edge_id(src.size()), global_id(static_cast<std::size_t>(nodes));
  for (std::size_t e = 0; e < edge_id.size(); ++e) edge_id[e] = static_cast<std::int64_t>(e);
  for (std::size_t n = 0; n < global_id.size(); ++n) global_id[n] = static_cast<std::int64_t>(n);
  return prepare_graph({nodes, nodes, std::move(indptr), std::move(src), std::move(edge_id)},
                       std::move(global_id));
}

at::Tensor workspace(std::size_t bytes) {
  return torch::empty({static_cast<std::int64_t>(bytes)},
                      torch::dtype(at::kByte).device(at::kCUDA));
}

/// Parameters, inputs and one step over them.
class Layer {
 public:
  Layer(const Setting& setting, const PreparedGraph& graph)
      : setting_(setting), graph_(graph), table_(*plugin().kernels()) {
    torch::manual_seed(1);
    const std::int64_t tables = setting.kind == "transformer" ? 3 : setting.kind == "gatv2" ? 2 : 1;
    x_ = random({setting.at("nodes"), setting.at("features")}, storage());
    grad_ = random({setting.at("nodes"), heads(), width()}, storage());
    for (std::int64_t t = 0; t < tables; ++t)
      weight_.push_back(random({setting.at("features"), heads() * width()}, storage()) * 0.1);
    vector_ = random({2, heads(), width()}, at::kFloat) * 0.1;
  }

  /// Seconds of the whole step, of the attention forward and of the attention backward.
  std::vector<double> step() {
    std::vector<at::Tensor> rows;
    torch::cuda::synchronize();
    const Timer whole;
    for (const at::Tensor& weight : weight_)
      rows.push_back(x_.mm(weight).view({x_.size(0), heads(), width()}));
    prepare(rows);
    torch::cuda::synchronize();
    const Timer forward_time;
    forward();
    torch::cuda::synchronize();
    const double forward_seconds = forward_time.seconds();
    const Timer backward_time;
    const std::vector<at::Tensor> gradients = backward(rows);
    torch::cuda::synchronize();
    const double backward_seconds = backward_time.seconds();
    for (const at::Tensor& gradient : gradients)
      weight_gradient_ = x_.t().mm(gradient.view({x_.size(0), heads() * width()}));
    torch::cuda::synchronize();
    return {whole.seconds(), forward_seconds, backward_seconds};
  }

 private:
  std::int64_t heads() const { return setting_.at("heads"); }
  std::int64_t width() const { return setting_.at("width"); }
  at::ScalarType storage() const { return setting_.dtype == "bf16" ? at::kBFloat16 : at::kFloat; }
  static at::Tensor random(at::IntArrayRef shape, at::ScalarType type) {
    return torch::randn(shape, torch::device(at::kCUDA)).to(type);
  }
  at::Tensor scalars() const {
    return torch::empty({x_.size(0), heads()}, torch::device(at::kCUDA));
  }

  void prepare(const std::vector<at::Tensor>& rows) {
    AttentionInputs in;
    in.dtype = setting_.dtype == "bf16" ? KernelType::kBFloat16 : KernelType::kFloat32;
    in.rows = in.nodes = x_.size(0);
    in.heads = heads();
    in.width = width();
    in.graph = &graph_;
    in.attention_dropout = {setting_.number.at("dropout"),
                            make_random_key(1, RandomPurpose::kAttentionDropout, 0, 0)};
    in.value = rows.back().const_data_ptr();
    in.query = rows[0].const_data_ptr();
    if (setting_.kind == "gat") {
      const at::Tensor wide = rows[0].to(at::kFloat);
      source_ = (wide * vector_[0]).sum(-1);
      destination_ = (wide * vector_[1]).sum(-1);
      in.source_logit = source_.const_data_ptr();
      in.destination_logit = destination_.const_data_ptr();
    } else if (setting_.kind == "gatv2") {
      in.kind = AttentionKind::kGatv2;
      in.attention_vector = vector_.const_data_ptr();
    } else {
      in.kind = AttentionKind::kDot;
      in.scale = 1 / std::sqrt(static_cast<double>(width()));
      in.key = rows[rows.size() == 3 ? 1 : 0].const_data_ptr();
    }
    in_ = in;
  }

  void forward() {
    out_ = torch::empty_like(grad_);
    logsumexp_ = scalars();
    AttentionForwardArgs args;
    args.in = in_;
    args.out = out_.data_ptr();
    args.logsumexp = logsumexp_.data_ptr();
    if (in_.kind == AttentionKind::kGat) {
      correction_ = torch::empty_like(grad_);
      args.correction = correction_.data_ptr();
    }
    const at::Tensor space = workspace(table_.forward_workspace_bytes(args));
    args.workspace = space.data_ptr();
    table_.forward(args);
  }

  std::vector<at::Tensor> backward(const std::vector<at::Tensor>& rows) {
    std::vector<at::Tensor> gradients;
    for (const at::Tensor& table : rows) gradients.push_back(torch::empty_like(table));
    const at::Tensor ds = scalars(), dt = scalars(), da = torch::empty_like(vector_);
    AttentionBackwardArgs args;
    args.in = in_;
    args.out = out_.data_ptr();
    args.logsumexp = logsumexp_.data_ptr();
    args.grad_out = grad_.data_ptr();
    args.grad_value = gradients.back().data_ptr();
    args.grad_query = gradients[0].data_ptr();
    args.grad_key = gradients[rows.size() == 3 ? 1 : 0].data_ptr();
    if (in_.kind == AttentionKind::kGat) {
      args.correction = correction_.data_ptr();
      args.grad_source_logit = ds.data_ptr();
      args.grad_destination_logit = dt.data_ptr();
    }
    args.grad_attention_vector = da.data_ptr();
    const at::Tensor space = workspace(table_.backward_workspace_bytes(args));
    args.workspace = space.data_ptr();
    table_.backward(args);
    if (in_.kind == AttentionKind::kGat) {
      const at::Tensor through = ds.unsqueeze(-1) * vector_[0] + dt.unsqueeze(-1) * vector_[1];
      gradients[0].add_(through.to(gradients[0].scalar_type()));
      vector_gradient_ = (ds.unsqueeze(-1) * rows[0].to(at::kFloat)).sum(0);
    }
    return gradients;
  }

  Setting setting_;
  const PreparedGraph& graph_;
  const KernelTable& table_;
  AttentionInputs in_;
  at::Tensor x_, grad_, vector_, source_, destination_, out_, logsumexp_, correction_;
  at::Tensor weight_gradient_, vector_gradient_;
  std::vector<at::Tensor> weight_;
};

nlohmann::ordered_json spread(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  return {{"median", seconds[seconds.size() / 2]},
          {"minimum", seconds.front()},
          {"maximum", seconds.back()}};
}

/// Bytes a second of a device copy, and of fetching rows of this size at random (read and written).
nlohmann::ordered_json floors(std::int64_t nodes,
                              std::int64_t row_bytes,
                              const PreparedGraph& host) {
  const auto bytes = torch::dtype(at::kByte).device(at::kCUDA);
  const auto rate = [](double moved, const auto& body) {
    double best = 0;
    for (int n = 0; n < 6; ++n) {
      torch::cuda::synchronize();
      const Timer timer;
      body();
      torch::cuda::synchronize();
      best = std::max(best, moved / timer.seconds());
    }
    return best;
  };
  const at::Tensor from = torch::empty({std::int64_t{1} << 30}, bytes);
  at::Tensor to = torch::empty_like(from);
  const double copy = rate(2.0 * (1 << 30), [&] { to.copy_(from); });
  const at::Tensor table = torch::empty({nodes, row_bytes / 4}, bytes.dtype(at::kFloat));
  const auto count = static_cast<std::int64_t>(host.in.src.size());
  const at::Tensor index =
      torch::from_blob(const_cast<std::int32_t*>(host.in.src.data()), {count}, at::kInt).cuda();
  at::Tensor rows = torch::empty({count, row_bytes / 4}, table.options());
  const double gather = rate(2.0 * static_cast<double>(count * row_bytes),
                             [&] { at::index_select_out(rows, table, 0, index); });
  return {{"copy_bytes_per_second", copy}, {"gather_bytes_per_second", gather}};
}

/// Edges that fetch a row each: passes of the forward and of the backward (docs/numerics.md §1).
std::pair<double, double> row_fetches(const std::string& kind) {
  return kind == "gat"           ? std::pair(1.0, 1.0)
         : kind == "transformer" ? std::pair(2.0, 4.0)
                                 : std::pair(1.0, 3.0);
}

nlohmann::ordered_json run(const Setting& setting,
                           const PreparedGraph& host,
                           const PreparedGraph& graph) {
  Layer layer(setting, graph);
  for (int n = 0; n < 3; ++n) layer.step();
  plugin().take_peak_bytes(0);
  std::vector<double> whole, forward, backward;
  for (std::int64_t n = 0; n < setting.at("repeats"); ++n) {
    const std::vector<double> seconds = layer.step();
    whole.push_back(seconds[0]);
    forward.push_back(seconds[1]);
    backward.push_back(seconds[2]);
  }
  const std::int64_t peak = plugin().take_peak_bytes(0);
  const std::int64_t row_bytes =
      setting.at("heads") * setting.at("width") * (setting.dtype == "bf16" ? 2 : 4);
  const nlohmann::ordered_json bound = floors(setting.at("nodes"), row_bytes, host);
  const auto [forward_rows, backward_rows] = row_fetches(setting.kind);
  const double edge_bytes = static_cast<double>(setting.at("edges") * row_bytes);
  // The same indices and row size. That rate counts rows written too, which the kernels do not
  // write: beyond 100 is possible where the L2 cache serves the reads.
  const double gather = bound["gather_bytes_per_second"].get<double>();
  const auto share = [&](double rows, const nlohmann::ordered_json& time) {
    return 100 * rows * edge_bytes / gather / time["median"].get<double>();
  };
  nlohmann::ordered_json result = {{"system", "regatta"},
                                   {"kind", setting.kind},
                                   {"dtype", setting.dtype},
                                   {"setting", setting.number},
                                   {"device", plugin().device_description(0)},
                                   {"step", spread(whole)},
                                   {"forward", spread(forward)},
                                   {"backward", spread(backward)},
                                   {"peak_bytes", peak},
                                   {"bounds", bound}};
  result["percent_of_gather_floor"] = {{"forward", share(forward_rows, result["forward"])},
                                       {"backward", share(backward_rows, result["backward"])}};
  return result;
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

/// Every kind in every type, on one graph.
void run_all(Setting setting, const std::string& kinds, const std::string& dtypes) {
  const PreparedGraph host = random_graph(setting);
  const PreparedGraph graph = on_device(host);
  for (const std::string& kind : words_of(kinds))
    for (const std::string& dtype : words_of(dtypes)) {
      setting.kind = kind;
      setting.dtype = dtype;
      std::printf("%s\n", run(setting, host, graph).dump().c_str());
      std::fflush(stdout);  // what was measured stays, should a later one fail
    }
}

int main_of(const std::vector<std::string>& arguments) {
  Setting setting;
  if (arguments.size() < 2) {
    std::fputs("usage: cuda_layer_bench KINDS DTYPES [name=value ...]\n", stderr);
    return 2;
  }
  for (std::size_t k = 2; k < arguments.size(); ++k) {
    const std::size_t equals = arguments[k].find('=');
    const auto known = setting.number.find(arguments[k].substr(0, equals));
    if (equals == std::string::npos || known == setting.number.end()) {
      std::fprintf(stderr, "cuda_layer_bench: unknown argument '%s'\n", arguments[k].c_str());
      return 2;
    }
    known->second = std::stod(arguments[k].substr(equals + 1));
  }
  if (plugin().device_count() == 0) {
    std::fputs("cuda_layer_bench: no GPU\n", stderr);
    return 4;
  }
  run_all(setting, arguments[0], arguments[1]);
  return 0;
}

}  // namespace
}  // namespace regatta::test

int main(int count, char** values) {
  try {
    return regatta::test::main_of({values + 1, values + count});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cuda_layer_bench: %s\n", error.what());
    return 1;
  }
}
