#include "nn/activation.h"

#include "core/error.h"
#include "core/parallel.h"

#include <c10/util/ParallelGuard.h>
#include <torch/autograd.h>
#include <torch/types.h>

#include <algorithm>
#include <array>

namespace regatta {
namespace {

using at::Tensor;

struct Row {
  const char* name;
  Tensor (*apply)(const Tensor& x);
  void (*forward)(Tensor& y, const Tensor& x);
  void (*backward)(Tensor& dx, const Tensor& dy, const Tensor& x, const Tensor& y);
};

constexpr double kLeakySlope = 0.01;

constexpr std::array<Row, 6> kActivations = {{
    {"elu",
     [](const Tensor& x) { return torch::elu(x); },
     [](Tensor& y, const Tensor& x) { at::elu_out(y, x); },
     [](Tensor& dx, const Tensor& dy, const Tensor&, const Tensor& y) {
       at::elu_backward_out(dx, dy, 1, 1, 1, true, y);
     }},
    {"relu",
     [](const Tensor& x) { return torch::relu(x); },
     [](Tensor& y, const Tensor& x) { at::relu_out(y, x); },
     [](Tensor& dx, const Tensor& dy, const Tensor&, const Tensor& y) {
       at::threshold_backward_out(dx, dy, y, 0);
     }},
    {"leaky_relu",
     [](const Tensor& x) { return torch::leaky_relu(x, kLeakySlope); },
     [](Tensor& y, const Tensor& x) { at::leaky_relu_out(y, x, kLeakySlope); },
     [](Tensor& dx, const Tensor& dy, const Tensor& x, const Tensor&) {
       at::leaky_relu_backward_out(dx, dy, x, kLeakySlope, false);
     }},
    {"gelu",
     [](const Tensor& x) { return torch::gelu(x); },
     [](Tensor& y, const Tensor& x) { at::gelu_out(y, x); },
     [](Tensor& dx, const Tensor& dy, const Tensor& x, const Tensor&) {
       at::gelu_backward_out(dx, dy, x);
     }},
    {"tanh",
     [](const Tensor& x) { return torch::tanh(x); },
     [](Tensor& y, const Tensor& x) { at::tanh_out(y, x); },
     [](Tensor& dx, const Tensor& dy, const Tensor&, const Tensor& y) {
       at::tanh_backward_out(dx, dy, y);
     }},
    {"sigmoid",
     [](const Tensor& x) { return torch::sigmoid(x); },
     [](Tensor& y, const Tensor& x) { at::sigmoid_out(y, x); },
     [](Tensor& dx, const Tensor& dy, const Tensor&, const Tensor& y) {
       at::sigmoid_backward_out(dx, dy, y);
     }},
}};

/// Calls body(begin, count) for fixed pieces of `size` elements, each on one thread. LibTorch's own
/// cut depends on the number of threads, and the ends of its pieces go through scalar functions
/// that differ from the vectors' in the last bit.
template <class Body>
void for_pieces(std::int64_t size, const Body& body) {
  constexpr std::int64_t kElements = 16384;
  parallel_pieces((size + kElements - 1) / kElements, [&](std::int64_t piece) {
    const c10::ParallelGuard alone(true);
    const at::AutoDispatchBelowADInplaceOrView no_autograd;
    const std::int64_t begin = piece * kElements;
    body(begin, std::min(kElements, size - begin));
  });
}

struct PiecewiseActivation : torch::autograd::Function<PiecewiseActivation> {
  static Tensor forward(torch::autograd::AutogradContext* context,
                        const Tensor& x_in,
                        std::int64_t row) {
    const Tensor x = x_in.contiguous();
    Tensor y = torch::empty_like(x);
    const Tensor from = x.view({-1}), to = y.view({-1});
    for_pieces(x.numel(), [&](std::int64_t begin, std::int64_t count) {
      Tensor part = to.narrow(0, begin, count);
      kActivations[static_cast<std::size_t>(row)].forward(part, from.narrow(0, begin, count));
    });
    context->save_for_backward({x, y});
    context->saved_data["row"] = row;
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const auto& row = kActivations[static_cast<std::size_t>(context->saved_data["row"].toInt())];
    Tensor dx = torch::empty_like(saved[0]);
    const Tensor x = saved[0].view({-1}), y = saved[1].view({-1}), to = dx.view({-1});
    const Tensor dy = grads[0].contiguous().view({-1});
    for_pieces(dx.numel(), [&](std::int64_t begin, std::int64_t count) {
      Tensor part = to.narrow(0, begin, count);
      row.backward(
          part, dy.narrow(0, begin, count), x.narrow(0, begin, count), y.narrow(0, begin, count));
    });
    return {dx, Tensor()};
  }
};

}  // namespace

std::vector<std::string> activation_names() {
  std::vector<std::string> names{"none"};
  for (const Row& row : kActivations) names.emplace_back(row.name);
  return names;
}

Tensor activate(const std::string& name, const Tensor& x) {
  if (name == "none")
    return x;
  for (std::size_t row = 0; row < kActivations.size(); ++row) {
    if (name != kActivations[row].name)
      continue;
    return x.is_cpu() ? PiecewiseActivation::apply(x, static_cast<std::int64_t>(row))
                      : kActivations[row].apply(x);
  }
  fail(ExitCode::kUsage, "unknown activation '{}'", name);
}

}  // namespace regatta
