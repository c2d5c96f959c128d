// The order of nodes is a matter of speed: every order gives the losses and gradients of `none`.
#include "graph/reorder.h"
#include "mpi/mpi_world.h"
#include "nn/model.h"
#include "train/cora_job.h"
#include "train/trainer.h"

#include <torch/types.h>

#include <gtest/gtest.h>

namespace regatta::testing {
namespace {

struct Outcome {
  std::vector<double> losses;
  std::vector<at::Tensor> gradients;  ///< of the first step
};

Outcome train(const TrainJob& job, const std::string& data, const std::string& run) {
  const auto dataset = std::make_shared<const Dataset>(data);
  Outcome outcome;
  {
    Trainer trainer(job, dataset, run, mpi_world());
    const auto steps = trainer.plan(0);
    trainer.announce_epoch(steps);
    trainer.gradients_of_step(steps.front(), 0);
    for (const at::Tensor& parameter : trainer.model().tensors())
      outcome.gradients.push_back(parameter.grad().clone());
  }
  Trainer trainer(job, dataset, run, mpi_world());
  outcome.losses = trainer.run(false).first_losses;
  return outcome;
}

/// Attention dropout is keyed by edge ids, which no order changes; the other two follow the nodes'
/// numbers and are off.
TrainJob job_without_node_dropout(const std::string& precision) {
  TrainJob job = cora_job(10);
  job.runtime.precision = precision;
  for (LayerOptions& layer : job.model.layers) layer.input_dropout = layer.message_dropout = 0;
  return job;
}

double relative(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).norm().item<double>() / (b.norm().item<double>() + 1e-12);
}

/// Sums over nodes run in another order. Gradients that nearly cancel (those of a_d) then keep 1e-4
/// in fp32; fp64 tells that it is rounding and nothing else.
struct Case {
  std::string precision;
  double of_losses;
  double of_gradients;
};

class OrderTraining : public ::testing::TestWithParam<Case> {};

TEST_P(OrderTraining, EveryOrderGivesTheSameLossesAndGradients) {
  const SharedFolder folder("regatta-order", mpi_world());
  const TrainJob job = job_without_node_dropout(GetParam().precision);
  make_cora(folder.path() + "/none", 3, mpi_world());
  const Outcome expected = train(job, folder.path() + "/none", folder.path() + "/none-run");
  ASSERT_EQ(expected.losses.size(), 10U);
  for (const std::string& order : ordering_names()) {
    SCOPED_TRACE(order);
    const std::string data = folder.path() + "/of-" + order;
    make_cora(data, 3, mpi_world(), order);
    const Outcome got = train(job, data, data + "-run");
    for (std::size_t i = 0; i < expected.losses.size(); ++i)
      EXPECT_NEAR(got.losses[i], expected.losses[i], GetParam().of_losses * expected.losses[i])
          << i;
    for (std::size_t i = 0; i < expected.gradients.size(); ++i)
      EXPECT_LE(relative(got.gradients[i], expected.gradients[i]), GetParam().of_gradients) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions,
                         OrderTraining,
                         ::testing::Values(Case{"fp32", 1e-5, 1e-4}, Case{"fp64", 1e-10, 1e-10}),
                         [](const auto& info) { return info.param.precision; });

}  // namespace
}  // namespace regatta::testing
