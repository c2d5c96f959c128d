#include "nn/activation.h"

#include <torch/torch.h>

#include <array>

#include "core/error.h"

namespace regatta {
namespace {

struct Row {
  const char* name;
  at::Tensor (*apply)(const at::Tensor&);
};

constexpr std::array<Row, 7> kActivations = {{
    {"none", [](const at::Tensor& x) { return x; }},
    {"elu", [](const at::Tensor& x) { return torch::elu(x); }},
    {"relu", [](const at::Tensor& x) { return torch::relu(x); }},
    {"leaky_relu", [](const at::Tensor& x) { return torch::leaky_relu(x, 0.01); }},
    {"gelu", [](const at::Tensor& x) { return torch::gelu(x); }},
    {"tanh", [](const at::Tensor& x) { return torch::tanh(x); }},
    {"sigmoid", [](const at::Tensor& x) { return torch::sigmoid(x); }},
}};

}  // namespace

std::vector<std::string> activation_names() {
  std::vector<std::string> names;
  for (const Row& row : kActivations) names.emplace_back(row.name);
  return names;
}

at::Tensor activate(const std::string& name, const at::Tensor& x) {
  for (const Row& row : kActivations) {
    if (name == row.name)
      return row.apply(x);
  }
  fail(ExitCode::kUsage, "unknown activation '{}'", name);
}

}  // namespace regatta
