#include "train/adam.h"

#include "core/error.h"
#include "core/parallel.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace regatta {
namespace {

/// A parameter with its moments; step 0 means that it has none yet.
struct Slot {
  std::string name;
  at::Tensor parameter;
  at::Tensor mean, square;
  std::int64_t step = 0;
};

/// Elements [begin, begin + count) of a slot.
struct Piece {
  std::size_t slot;
  std::int64_t begin, count;
};

/// What the update of one element needs beside the element, in the type of the parameter.
template <class T>
struct Coefficients {
  T beta1, beta2, epsilon, decay, shrink, step_size, root_correction;
};

template <class T>
void update(const Coefficients<T>& c,
            const T* __restrict gradient,
            T* __restrict parameter,
            T* __restrict mean,
            T* __restrict square,
            std::int64_t count) {
  for (std::int64_t k = 0; k < count; ++k) {
    const T g = gradient[k] + c.decay * parameter[k];
    mean[k] = c.beta1 * mean[k] + (1 - c.beta1) * g;
    square[k] = c.beta2 * square[k] + (1 - c.beta2) * g * g;
    const T size = std::sqrt(square[k]) / c.root_correction + c.epsilon;
    parameter[k] = c.shrink * parameter[k] - c.step_size * (mean[k] / size);
  }
}

class HostAdam : public Optimiser {
 public:
  HostAdam(const OptimiserOptions& options, const NamedTensors& parameters, bool decoupled)
      : options_(options), decoupled_(decoupled), rate_(options.learning_rate) {
    constexpr std::int64_t kElements = 8192;
    for (const auto& [name, parameter] : parameters) {
      REGATTA_CHECK(parameter.is_cpu() && parameter.is_contiguous(), "Adam of {}", name);
      for (std::int64_t begin = 0; begin < parameter.numel(); begin += kElements)
        pieces_.push_back({slots_.size(), begin, std::min(kElements, parameter.numel() - begin)});
      slots_.push_back({name, parameter, {}, {}, 0});
    }
  }

  void step() override {
    const torch::NoGradGuard no_grad;
    std::vector<at::Tensor> gradients;
    for (Slot& slot : slots_) {
      const at::Tensor& gradient = slot.parameter.grad();
      gradients.push_back(gradient.defined() ? gradient.contiguous() : at::Tensor());
      if (!gradient.defined())
        continue;
      if (slot.step++ == 0) {
        slot.mean = torch::zeros_like(slot.parameter);
        slot.square = torch::zeros_like(slot.parameter);
      }
    }
    parallel_pieces(static_cast<std::int64_t>(pieces_.size()), [&](std::int64_t p) {
      const Piece& piece = pieces_[static_cast<std::size_t>(p)];
      const at::Tensor& gradient = gradients[piece.slot];
      if (!gradient.defined())
        return;
      if (gradient.scalar_type() == torch::kDouble)
        update_piece<double>(piece, gradient);
      else
        update_piece<float>(piece, gradient);
    });
  }

  void zero_grad() override {
    for (Slot& slot : slots_) slot.parameter.mutable_grad().reset();
  }
  void set_learning_rate(double rate) override { rate_ = rate; }

  NamedTensors state() const override {
    NamedTensors list;
    for (const Slot& slot : slots_) {
      if (slot.step == 0)
        continue;
      list.emplace_back(slot.name + ".exp_avg", slot.mean);
      list.emplace_back(slot.name + ".exp_avg_sq", slot.square);
      list.emplace_back(slot.name + ".step", torch::tensor(slot.step));
    }
    return list;
  }

  void load(const NamedTensors& state) override {
    const std::map<std::string, at::Tensor> by_name(state.begin(), state.end());
    for (Slot& slot : slots_) {
      const auto step = by_name.find(slot.name + ".step");
      slot.step = step == by_name.end() ? 0 : step->second.item<std::int64_t>();
      if (slot.step == 0)
        continue;
      slot.mean = loaded(by_name, slot, ".exp_avg");
      slot.square = loaded(by_name, slot, ".exp_avg_sq");
    }
  }

 private:
  static at::Tensor loaded(const std::map<std::string, at::Tensor>& by_name,
                           const Slot& slot,
                           const char* suffix) {
    const auto found = by_name.find(slot.name + suffix);
    if (found == by_name.end() || found->second.sizes() != slot.parameter.sizes()) {
      fail(ExitCode::kData,
           "optimizer.safetensors: '{}{}' is missing or does not have the shape of its parameter",
           slot.name,
           suffix);
    }
    return found->second.to(slot.parameter.options().requires_grad(false)).contiguous().clone();
  }

  template <class T>
  void update_piece(const Piece& piece, const at::Tensor& gradient) {
    Slot& slot = slots_[piece.slot];
    const auto steps = static_cast<double>(slot.step);
    const double decay = options_.weight_decay;
    const Coefficients<T> coefficients{
        static_cast<T>(options_.beta1),
        static_cast<T>(options_.beta2),
        static_cast<T>(options_.epsilon),
        static_cast<T>(decoupled_ ? 0 : decay),
        static_cast<T>(decoupled_ ? 1 - rate_ * decay : 1),
        static_cast<T>(rate_ / (1 - std::pow(options_.beta1, steps))),
        static_cast<T>(std::sqrt(1 - std::pow(options_.beta2, steps)))};
    update(coefficients,
           gradient.const_data_ptr<T>() + piece.begin,
           slot.parameter.mutable_data_ptr<T>() + piece.begin,
           slot.mean.mutable_data_ptr<T>() + piece.begin,
           slot.square.mutable_data_ptr<T>() + piece.begin,
           piece.count);
  }

  OptimiserOptions options_;
  bool decoupled_;
  double rate_;
  std::vector<Slot> slots_;
  std::vector<Piece> pieces_;
};

}  // namespace

std::unique_ptr<Optimiser> make_host_adam(const OptimiserOptions& options,
                                          const NamedTensors& parameters,
                                          bool decoupled) {
  return std::make_unique<HostAdam>(options, parameters, decoupled);
}

}  // namespace regatta
