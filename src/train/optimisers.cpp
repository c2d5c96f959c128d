#include "train/optimisers.h"

#include "core/error.h"
#include "train/adam.h"

#include <c10/util/ParallelGuard.h>
#include <torch/optim.h>
#include <torch/types.h>

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>

namespace regatta {
namespace {

using torch::optim::OptimizerParamState;

/// Names the slots of one optimiser's per-parameter state; `visit(name, tensor)` and `count(name,
/// step)` get references.
template <class VisitTensor, class VisitCount>
void visit_slots(torch::optim::AdamParamState& s, VisitTensor tensor, VisitCount count) {
  tensor(
      "exp_avg", [&s] { return s.exp_avg(); }, [&s](at::Tensor v) { s.exp_avg(v); });
  tensor(
      "exp_avg_sq", [&s] { return s.exp_avg_sq(); }, [&s](at::Tensor v) { s.exp_avg_sq(v); });
  count([&s] { return s.step(); }, [&s](std::int64_t v) { s.step(v); });
}
template <class VisitTensor, class VisitCount>
void visit_slots(torch::optim::AdamWParamState& s, VisitTensor tensor, VisitCount count) {
  tensor(
      "exp_avg", [&s] { return s.exp_avg(); }, [&s](at::Tensor v) { s.exp_avg(v); });
  tensor(
      "exp_avg_sq", [&s] { return s.exp_avg_sq(); }, [&s](at::Tensor v) { s.exp_avg_sq(v); });
  count([&s] { return s.step(); }, [&s](std::int64_t v) { s.step(v); });
}
template <class VisitTensor, class VisitCount>
void visit_slots(torch::optim::SGDParamState& s, VisitTensor tensor, VisitCount) {
  tensor(
      "momentum_buffer",
      [&s] { return s.momentum_buffer(); },
      [&s](at::Tensor v) { s.momentum_buffer(v); });
}
template <class VisitTensor, class VisitCount>
void visit_slots(torch::optim::RMSpropParamState& s, VisitTensor tensor, VisitCount count) {
  tensor(
      "square_avg", [&s] { return s.square_avg(); }, [&s](at::Tensor v) { s.square_avg(v); });
  tensor(
      "momentum_buffer",
      [&s] { return s.momentum_buffer(); },
      [&s](at::Tensor v) { s.momentum_buffer(v); });
  count([&s] { return s.step(); }, [&s](std::int64_t v) { s.step(v); });
}
template <class VisitTensor, class VisitCount>
void visit_slots(torch::optim::AdagradParamState& s, VisitTensor tensor, VisitCount count) {
  tensor(
      "sum", [&s] { return s.sum(); }, [&s](at::Tensor v) { s.sum(v); });
  count([&s] { return s.step(); }, [&s](std::int64_t v) { s.step(v); });
}

template <class TorchOptimiser, class TorchOptions, class ParamState>
class TorchBacked : public Optimiser {
 public:
  TorchBacked(const NamedTensors& parameters, const TorchOptions& options)
      : parameters_(parameters), torch_(tensors_of(parameters), options) {}

  void step() override {
    // On one thread: pieces cut by the number of threads end in scalar functions of other bits.
    const c10::ParallelGuard alone(true);
    torch_.step();
  }
  void zero_grad() override { torch_.zero_grad(); }
  void set_learning_rate(double rate) override {
    for (auto& group : torch_.param_groups()) {
      static_cast<TorchOptions&>(group.options()).lr(rate);
    }
  }

  NamedTensors state() const override {
    NamedTensors list;
    for (const auto& [name, parameter] : parameters_) {
      const auto found = torch_.state().find(parameter.unsafeGetTensorImpl());
      if (found == torch_.state().end())
        continue;
      visit_slots(
          static_cast<ParamState&>(*found->second),
          [&](const char* slot, auto get, auto) {
            if (get().defined())
              list.emplace_back(name + "." + slot, get());
          },
          [&](auto get, auto) {
            list.emplace_back(name + ".step", torch::tensor(static_cast<std::int64_t>(get())));
          });
    }
    return list;
  }

  void load(const NamedTensors& state) override {
    std::map<std::string, at::Tensor> by_name(state.begin(), state.end());
    for (const auto& [name, parameter] : parameters_) {
      auto slots = std::make_unique<ParamState>();
      bool any = false;
      visit_slots(
          *slots,
          [&](const char* slot, auto, auto set) {
            any = load_tensor(by_name, name + "." + slot, parameter, set) || any;
          },
          [&](auto, auto set) {
            const auto found = by_name.find(name + ".step");
            if (found == by_name.end())
              return;
            set(found->second.template item<std::int64_t>());
            any = true;
          });
      if (any)
        torch_.state()[parameter.unsafeGetTensorImpl()] = std::move(slots);
    }
  }

 private:
  static std::vector<at::Tensor> tensors_of(const NamedTensors& named) {
    std::vector<at::Tensor> list;
    for (const auto& [name, tensor] : named) list.push_back(tensor);
    return list;
  }
  template <class Set>
  static bool load_tensor(const std::map<std::string, at::Tensor>& by_name,
                          const std::string& name,
                          const at::Tensor& parameter,
                          Set set) {
    const auto found = by_name.find(name);
    if (found == by_name.end())
      return false;
    if (found->second.sizes() != parameter.sizes()) {
      fail(ExitCode::kData,
           "optimizer.safetensors: '{}' does not have the shape of its parameter",
           name);
    }
    set(found->second.to(parameter.options()).clone());
    return true;
  }

  NamedTensors parameters_;
  mutable TorchOptimiser torch_;
};

bool in_host_memory(const NamedTensors& parameters) {
  return std::all_of(
      parameters.begin(), parameters.end(), [](const auto& item) { return item.second.is_cpu(); });
}

std::unique_ptr<Optimiser> make_adam(const OptimiserOptions& o, const NamedTensors& parameters) {
  using namespace torch::optim;
  if (in_host_memory(parameters))
    return make_host_adam(o, parameters, false);
  return std::make_unique<TorchBacked<Adam, AdamOptions, AdamParamState>>(
      parameters,
      AdamOptions(o.learning_rate)
          .betas({o.beta1, o.beta2})
          .eps(o.epsilon)
          .weight_decay(o.weight_decay));
}

std::unique_ptr<Optimiser> make_adamw(const OptimiserOptions& o, const NamedTensors& parameters) {
  using namespace torch::optim;
  if (in_host_memory(parameters))
    return make_host_adam(o, parameters, true);
  return std::make_unique<TorchBacked<AdamW, AdamWOptions, AdamWParamState>>(
      parameters,
      AdamWOptions(o.learning_rate)
          .betas({o.beta1, o.beta2})
          .eps(o.epsilon)
          .weight_decay(o.weight_decay));
}

std::unique_ptr<Optimiser> make_sgd(const OptimiserOptions& o, const NamedTensors& parameters) {
  using namespace torch::optim;
  if (o.nesterov && o.momentum == 0) {
    fail(ExitCode::kUsage, "train.optimiser.nesterov: needs a momentum above 0");
  }
  return std::make_unique<TorchBacked<SGD, SGDOptions, SGDParamState>>(
      parameters,
      SGDOptions(o.learning_rate)
          .momentum(o.momentum)
          .nesterov(o.nesterov)
          .weight_decay(o.weight_decay));
}

std::unique_ptr<Optimiser> make_rmsprop(const OptimiserOptions& o, const NamedTensors& parameters) {
  using namespace torch::optim;
  return std::make_unique<TorchBacked<RMSprop, RMSpropOptions, RMSpropParamState>>(
      parameters,
      RMSpropOptions(o.learning_rate)
          .alpha(o.smoothing)
          .eps(o.epsilon)
          .momentum(o.momentum)
          .weight_decay(o.weight_decay));
}

std::unique_ptr<Optimiser> make_adagrad(const OptimiserOptions& o, const NamedTensors& parameters) {
  using namespace torch::optim;
  return std::make_unique<TorchBacked<Adagrad, AdagradOptions, AdagradParamState>>(
      parameters, AdagradOptions(o.learning_rate).eps(o.epsilon).weight_decay(o.weight_decay));
}

struct Row {
  const char* name;
  std::unique_ptr<Optimiser> (*make)(const OptimiserOptions&, const NamedTensors&);
};

constexpr std::array<Row, 6> kOptimisers = {{
    {"adam", &make_adam},
    {"adamw", &make_adamw},
    {"sgd", &make_sgd},
    {"rmsprop", &make_rmsprop},
    {"adagrad", &make_adagrad},
    {"gradient_descent", &make_sgd},
}};

}  // namespace

std::vector<std::string> optimiser_names() {
  std::vector<std::string> names;
  for (const Row& row : kOptimisers) names.emplace_back(row.name);
  return names;
}

std::unique_ptr<Optimiser> make_optimiser(const OptimiserOptions& options,
                                          const NamedTensors& parameters) {
  for (const Row& row : kOptimisers) {
    if (options.kind == row.name)
      return row.make(options, parameters);
  }
  fail(ExitCode::kUsage,
       "train.optimiser.kind: unknown '{}'; known: {}",
       options.kind,
       fmt::join(optimiser_names(), ", "));
}

}  // namespace regatta
