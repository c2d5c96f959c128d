// The parts of a step that are our own, against LibTorch's: loss, Adam, gradient norm, dropout.
#include "core/parallel.h"
#include "nn/host_memory.h"
#include "nn/keyed_dropout.h"
#include "tasks/cross_entropy.h"
#include "train/gradient_norm.h"
#include "train/optimisers.h"

#include <torch/autograd.h>
#include <torch/optim.h>
#include <torch/types.h>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace regatta {
namespace {

double difference(const at::Tensor& found, const at::Tensor& expected) {
  return (found - expected).norm().item<double>() / expected.norm().item<double>();
}

TargetRows every_third_row(std::int64_t rows, std::int64_t classes) {
  const at::Tensor row = torch::arange(0, rows, 3);
  return {row, torch::randint(classes, {row.size(0)}, torch::kInt64)};
}

TEST(CrossEntropy, LossAndGradientEqualLibTorch) {
  torch::manual_seed(1);
  for (const bool weighted : {false, true}) {
    const TargetRows targets = every_third_row(7001, 5);
    const at::Tensor weight = weighted ? torch::rand({5}, torch::kDouble) + 0.5 : at::Tensor();
    const at::Tensor value = 30 * torch::randn({7001, 5}, torch::kDouble);
    const at::Tensor a = value.clone().requires_grad_(), b = value.clone().requires_grad_();
    const at::Tensor found = cross_entropy_sum(a, targets, weight);
    const at::Tensor expected =
        torch::nll_loss(torch::log_softmax(b.index_select(0, targets.row), 1),
                        targets.label,
                        weight,
                        at::Reduction::Sum);
    EXPECT_LE(difference(found, expected), 1e-13);
    (found / 7).backward();
    (expected / 7).backward();
    EXPECT_LE(difference(a.grad(), b.grad()), 1e-13);
    const at::Tensor single = cross_entropy_sum(value.to(torch::kFloat), targets, weight);
    EXPECT_LE(difference(single.to(torch::kDouble), expected.detach()), 1e-6);
  }
}

TEST(CrossEntropy, NoTargetsGiveZero) {
  const at::Tensor logits = torch::randn({4, 3}).requires_grad_();
  const at::Tensor none = torch::empty({0}, torch::kInt64);
  const at::Tensor loss = cross_entropy_sum(logits, {none, none}, {});
  loss.backward();
  EXPECT_EQ(loss.item<float>(), 0);
  EXPECT_TRUE(torch::equal(logits.grad(), torch::zeros({4, 3})));
}

/// Ten steps on fixed gradients; one parameter is longer than a piece, one never gets a gradient.
template <class Step>
std::vector<at::Tensor> ten_steps(std::vector<at::Tensor>& parameters, const Step& step) {
  torch::manual_seed(3);
  for (int i = 0; i < 10; ++i) {
    for (std::size_t k = 0; k + 1 < parameters.size(); ++k)
      parameters[k].mutable_grad() = torch::randn(parameters[k].sizes(), torch::kDouble);
    step(i);
  }
  return parameters;
}

std::vector<at::Tensor> three_parameters() {
  torch::manual_seed(2);
  std::vector<at::Tensor> list;
  for (const std::int64_t size : {20001, 1, 5})
    list.push_back(torch::randn({size}, torch::kDouble).requires_grad_());
  return list;
}

template <class TorchOptimiser, class TorchOptions>
void compare_adam(const std::string& kind) {
  OptimiserOptions options;
  options.kind = kind;
  options.learning_rate = 0.01;
  options.weight_decay = 0.1;
  std::vector<at::Tensor> ours = three_parameters(), theirs = three_parameters();
  const auto optimiser = make_optimiser(options, {{"a", ours[0]}, {"b", ours[1]}, {"c", ours[2]}});
  TorchOptimiser reference(theirs,
                           TorchOptions(options.learning_rate)
                               .betas({options.beta1, options.beta2})
                               .eps(options.epsilon)
                               .weight_decay(options.weight_decay));
  ten_steps(ours, [&](int i) {
    optimiser->set_learning_rate(0.01 / (1 + i));
    optimiser->step();
  });
  ten_steps(theirs, [&](int i) {
    static_cast<TorchOptions&>(reference.param_groups()[0].options()).lr(0.01 / (1 + i));
    reference.step();
  });
  for (std::size_t k = 0; k < ours.size(); ++k)
    EXPECT_LE(difference(ours[k].detach(), theirs[k].detach()), 1e-13) << kind << " " << k;
  EXPECT_EQ(optimiser->state().size(), 6U) << "a parameter without gradients has no state";
}

TEST(HostAdam, EqualsLibTorch) {
  compare_adam<torch::optim::Adam, torch::optim::AdamOptions>("adam");
  compare_adam<torch::optim::AdamW, torch::optim::AdamWOptions>("adamw");
}

TEST(GradientNorm, IsThatOfAllElementsAndSeesNan) {
  std::vector<at::Tensor> parameters = three_parameters();
  EXPECT_EQ(gradient_norm(parameters), 0);
  parameters[0].mutable_grad() = torch::randn({20001}, torch::kDouble);
  parameters[1].mutable_grad() = torch::randn({1}, torch::kDouble);
  const double expected =
      torch::cat({parameters[0].grad(), parameters[1].grad()}).norm().item<double>();
  EXPECT_NEAR(gradient_norm(parameters), expected, 1e-12 * expected);
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    parameters[0].mutable_grad()[20000] = bad;
    EXPECT_FALSE(std::isfinite(gradient_norm(parameters)));
  }
}

TEST(KeyedDropout, EqualsTheWordsOfTheGeneratorForwardAndBackward) {
  const RandomKey key = make_random_key(5, RandomPurpose::kInputDropout, 7, 1);
  for (const std::int64_t width : {1, 7, 64, 300}) {
    const at::Tensor id = torch::arange(50) * 1000 + 3;
    const at::Tensor x = torch::randn({50, width}).requires_grad_();
    at::Tensor mask = torch::empty({50, width});
    for (std::int64_t i = 0; i < 50; ++i)
      for (std::int64_t f = 0; f < width; ++f) {
        const auto words = random_words(
            key, static_cast<std::uint64_t>(1000 * i + 3), static_cast<std::uint64_t>(f / 4));
        mask[i][f] = words[static_cast<std::size_t>(f % 4)] >= dropout_threshold(0.4)
                         ? static_cast<float>(1 / (1 - 0.4))
                         : 0.0F;
      }
    const at::Tensor y = keyed_dropout(
                         x, id.const_data_ptr<std::int64_t>(), {0.4, key}, cpu_kernels()),
                     g = torch::randn({50, width});
    y.backward(g);
    EXPECT_TRUE(torch::equal(y, x.detach() * mask));
    EXPECT_TRUE(torch::equal(x.grad(), g * mask));
  }
}

TEST(HostMemory, LargeTensorsReuseTheirBlocks) {
  keep_host_memory();
  keep_host_memory();
  const void* first = torch::ones({1 << 20}).const_data_ptr();
  at::Tensor again = torch::ones({1 << 20});
  EXPECT_EQ(again.const_data_ptr(), first);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 64, 0U);
  EXPECT_EQ(again.sum().item<float>(), 1 << 20);
  EXPECT_EQ(torch::ones({3}).sum().item<float>(), 3);
  const std::size_t live = host_tensor_blocks().use().live;
  EXPECT_GE(live, std::size_t{4} << 20);
  again.reset();
  EXPECT_LE(host_tensor_blocks().use().live, live - (std::size_t{4} << 20));
}

}  // namespace
}  // namespace regatta
