#include "bench/layer_case.h"

#include "bench/npy_file.h"
#include "core/error.h"
#include "core/file.h"
#include "core/timer.h"
#include "nn/host_memory.h"
#include "nn/initial_weights.h"
#include "nn/precision.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include <nlohmann/json.hpp>

#include <ctime>

namespace regatta {
namespace {

LayerOptions layer_options(const LayerBenchOptions& options) {
  LayerOptions layer;
  layer.attention = options.kind;
  layer.heads = options.heads;
  layer.width = options.width;
  layer.activation = options.activation;
  layer.attention_dropout = options.attention_dropout;
  layer.message_dropout = options.message_dropout;
  return layer;
}

LayerShape layer_shape(const LayerBenchOptions& options) {
  LayerShape shape;
  shape.input = options.features;
  shape.width = options.width;
  shape.seed = static_cast<std::uint64_t>(options.graph.seed);
  shape.dtype = working_type(storage_type(options.precision));
  return shape;
}

Batch layer_batch(const LayerBenchOptions& options, const PreparedGraph& graph) {
  Batch batch;
  batch.graph = graph;
  const auto ids = graph.global_id.span();
  batch.global_id = torch::tensor(at::ArrayRef<std::int64_t>(ids.data(), ids.size()), torch::kLong);
  batch.nodes_in = {graph.in.nodes};
  batch.rows_out = {graph.in.rows};
  batch.edges_out = {static_cast<std::int64_t>(graph.in.src.size())};
  batch.features.width = options.features;
  batch.placement.dtype = storage_type(options.precision);
  batch.placement.kernels = &cpu_kernels();
  return batch;
}

/// Uniform in [-0.5, 0.5), keyed by seed and name.
at::Tensor random_tensor(std::int64_t rows,
                         std::int64_t columns,
                         std::uint64_t seed,
                         const char* name) {
  at::Tensor values = torch::empty({rows, columns});
  RandomStream stream(make_random_key(seed, RandomPurpose::kInitialWeights, name));
  auto* data = values.mutable_data_ptr<float>();
  for (std::int64_t k = 0; k < values.numel(); ++k)
    data[k] = uniform_float(stream.next_word()) - 0.5F;
  return values;
}

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::span<const float> values_of(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

void write_tensor(const std::string& folder, const std::string& name, const at::Tensor& tensor) {
  const at::Tensor values = tensor.detach().contiguous();
  write_npy(folder + "/" + name + ".npy", values_of(values), values.sizes().vec());
}

}  // namespace

at::ScalarType storage_type(const std::string& precision) {
  return precision == "fp64" ? at::kDouble : precision == "bf16" ? at::kBFloat16 : at::kFloat;
}

LayerCase::LayerCase(const LayerBenchOptions& options, const PreparedGraph& graph)
    : batch_(layer_batch(options, graph)),
      layer_(layer_options(options), layer_shape(options)),
      seed_(static_cast<std::uint64_t>(options.graph.seed)) {
  keep_host_memory();  // as training does
  const at::ScalarType type = storage_type(options.precision);
  x_ = random_tensor(graph.in.nodes, options.features, seed_, "bench.x")
           .to(type)
           .requires_grad_(true);
  grad_y_ = random_tensor(graph.in.rows, layer_.output_width(), seed_, "bench.grad_y").to(type);
}

StepSeconds LayerCase::step() {
  y_ = at::Tensor();
  x_.mutable_grad() = at::Tensor();
  layer_.zero_grad(true);
  PassContext pass;
  pass.batch = &batch_;
  pass.training = true;
  pass.seed = seed_;
  StepSeconds seconds;
  const double processor = processor_seconds();
  Timer timer;
  at::Tensor y = layer_.forward(pass, x_);
  seconds.forward = timer.seconds();
  y.backward(grad_y_);
  seconds.backward = timer.seconds() - seconds.forward;
  seconds.processor = processor_seconds() - processor;
  y_ = y.detach();
  return seconds;
}

std::unique_ptr<LayerCase> LayerCase::exact(const LayerBenchOptions& options) const {
  LayerBenchOptions doubled = options;
  doubled.precision = "fp64";
  auto other = std::make_unique<LayerCase>(doubled, batch_.graph);
  other->batch_.placement.kernels = &reference_kernels();
  const torch::NoGradGuard no_grad;
  const auto mine = layer_.named_parameters();
  for (auto& parameter : other->layer_.named_parameters())
    parameter.value().copy_(mine[parameter.key()]);
  other->x_.copy_(x_);
  other->grad_y_.copy_(grad_y_);
  return other;
}

std::map<std::string, at::Tensor> LayerCase::results() const {
  std::map<std::string, at::Tensor> all{{"y", y_}, {"grad.x", x_.grad()}};
  for (const auto& parameter : layer_.named_parameters())
    all["grad." + parameter.key()] = parameter.value().grad();
  return all;
}

std::map<std::string, at::Tensor> LayerCase::parameters() const {
  std::map<std::string, at::Tensor> all;
  for (const auto& parameter : layer_.named_parameters()) all[parameter.key()] = parameter.value();
  return all;
}

double LayerCase::dense_flop() const {
  double weights = 0;
  for (const auto& parameter : layer_.named_parameters())
    if (parameter.value().dim() == 2 && parameter.value().size(0) == x_.size(1))
      weights += static_cast<double>(parameter.value().numel());
  return 6 * static_cast<double>(x_.size(0)) * weights;
}

void export_case(const LayerBenchOptions& options, const LayerCase& layer) {
  const std::string& folder = options.export_folder;
  make_folders(folder);
  write_npy(folder + "/indptr.npy", layer.graph().in.indptr.span());
  write_npy(folder + "/src.npy", layer.graph().in.src.span());
  write_tensor(folder, "x", layer.x());
  write_tensor(folder, "grad_y", layer.grad_y());
  for (const auto& [name, value] : layer.parameters()) write_tensor(folder, "param." + name, value);
  for (const auto& [name, value] : layer.results())
    if (value.defined())
      write_tensor(folder, name, value);
  const nlohmann::ordered_json description = {{"kind", options.kind},
                                              {"nodes", layer.graph().in.nodes},
                                              {"edges", layer.graph().in.src.size()},
                                              {"features", options.features},
                                              {"heads", options.heads},
                                              {"width", options.width},
                                              {"attention_dropout", options.attention_dropout}};
  replace_file(folder + "/case.json", description.dump(2) + "\n");
}

}  // namespace regatta
