#include "tasks/cross_entropy.h"

#include "core/error.h"
#include "core/parallel.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace regatta {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kTargetsABlock = 2048;

/// Raw views of what the loss reads.
template <class T>
struct Inputs {
  Inputs(const at::Tensor& logits, const TargetRows& targets, const at::Tensor& class_weight)
      : classes(logits.size(1)),
        count(targets.count()),
        logit(logits.const_data_ptr<T>()),
        row(targets.row.const_data_ptr<std::int64_t>()),
        label(targets.label.const_data_ptr<std::int64_t>()),
        weight(class_weight.defined() ? class_weight.const_data_ptr<double>() : nullptr) {}

  double weight_of(std::int64_t target) const {
    return weight == nullptr ? 1.0 : weight[label[target]];
  }

  std::int64_t classes, count;
  const T* logit;
  const std::int64_t *row, *label;
  const double* weight;
};

/// w * -log p[label] of one target; `probability` [C] gets softmax(logits[row]).
template <class T>
double target_loss(const Inputs<T>& in, std::int64_t target, T* probability) {
  const T* logit = in.logit + in.row[target] * in.classes;
  const T largest = *std::max_element(logit, logit + in.classes);
  T sum = 0;
  for (std::int64_t c = 0; c < in.classes; ++c) {
    probability[c] = std::exp(logit[c] - largest);
    sum += probability[c];
  }
  for (std::int64_t c = 0; c < in.classes; ++c) probability[c] /= sum;
  const double log_sum = std::log(static_cast<double>(sum)) + static_cast<double>(largest);
  return in.weight_of(target) * (log_sum - static_cast<double>(logit[in.label[target]]));
}

template <class T>
double loss_typed(const Inputs<T>& in, at::Tensor& probabilities) {
  T* probability = probabilities.mutable_data_ptr<T>();
  const std::int64_t blocks = (in.count + kTargetsABlock - 1) / kTargetsABlock;
  std::vector<double> partial(static_cast<std::size_t>(blocks), 0.0);
  parallel_pieces(blocks, [&](std::int64_t block) {
    double sum = 0;
    const std::int64_t end = std::min(in.count, (block + 1) * kTargetsABlock);
    for (std::int64_t t = block * kTargetsABlock; t < end; ++t)
      sum += target_loss(in, t, probability + t * in.classes);
    partial[static_cast<std::size_t>(block)] = sum;
  });
  double sum = 0;
  for (const double part : partial) sum += part;
  return sum;
}

/// dlogits[row] += g w (p - onehot(label)); one thread, since rows may repeat.
template <class T>
void gradient_typed(const Inputs<T>& in, double g, const T* probability, T* gradient) {
  for (std::int64_t t = 0; t < in.count; ++t) {
    T* to = gradient + in.row[t] * in.classes;
    const T factor = static_cast<T>(g * in.weight_of(t));
    for (std::int64_t c = 0; c < in.classes; ++c)
      to[c] += factor * (probability[t * in.classes + c] - (c == in.label[t] ? T{1} : T{0}));
  }
}

/// Targets with the weights of the classes. One argument, since autograd takes no undefined
/// tensors.
struct WeightedTargets {
  TargetRows targets;
  at::Tensor class_weight;
};

struct CrossEntropySum : torch::autograd::Function<CrossEntropySum> {
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& logits_in,
                            const WeightedTargets& in) {
    const auto& [targets, class_weight] = in;
    const at::Tensor logits = logits_in.contiguous();
    at::Tensor probabilities = torch::empty({targets.count(), logits.size(1)}, logits.options());
    const double loss =
        logits.scalar_type() == torch::kDouble
            ? loss_typed(Inputs<double>(logits, targets, class_weight), probabilities)
            : loss_typed(Inputs<float>(logits, targets, class_weight), probabilities);
    context->save_for_backward({logits, probabilities, targets.row, targets.label, class_weight});
    return torch::full({}, loss, logits.options());
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &logits = saved[0], &probabilities = saved[1];
    const TargetRows targets{saved[2], saved[3]};
    const double g = grads[0].item<double>();
    at::Tensor gradient = torch::zeros_like(logits);
    if (logits.scalar_type() == torch::kDouble) {
      gradient_typed(Inputs<double>(logits, targets, saved[4]),
                     g,
                     probabilities.const_data_ptr<double>(),
                     gradient.mutable_data_ptr<double>());
    } else {
      gradient_typed(Inputs<float>(logits, targets, saved[4]),
                     g,
                     probabilities.const_data_ptr<float>(),
                     gradient.mutable_data_ptr<float>());
    }
    return {gradient, at::Tensor()};
  }
};

}  // namespace

at::Tensor cross_entropy_sum(const at::Tensor& logits,
                             const TargetRows& targets,
                             const at::Tensor& class_weight) {
  if (logits.is_cpu())
    return CrossEntropySum::apply(logits, WeightedTargets{targets, class_weight});
  const at::Tensor chosen = logits.index_select(0, targets.row);
  const at::Tensor weight =
      class_weight.defined() ? class_weight.to(logits.options()) : at::Tensor();
  return torch::nll_loss(torch::log_softmax(chosen, 1), targets.label, weight, at::Reduction::Sum);
}

}  // namespace regatta
