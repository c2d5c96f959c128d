// Chunked and distributed training is exact: 1, 4 and 8 chunks, on as many ranks as mpirun started,
// against one chunk on one rank, with all dropouts on.
#include "mpi/mpi_world.h"
#include "nn/model.h"
#include "train/cora_job.h"
#include "train/trainer.h"

#include <torch/types.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace regatta::testing {
namespace {

struct Outcome {
  std::vector<double> losses;
  std::vector<at::Tensor> gradients;  ///< of the first step
};

Outcome train(const TrainJob& job,
              const std::string& data,
              const std::string& run,
              Communicator& world) {
  const auto dataset = std::make_shared<const Dataset>(data);
  Outcome outcome;
  {
    Trainer trainer(job, dataset, run, world);
    const auto steps = trainer.plan(0);
    trainer.announce_epoch(steps);
    trainer.gradients_of_step(steps.front(), 0);
    for (const at::Tensor& parameter : trainer.model().tensors()) {
      outcome.gradients.push_back(parameter.grad().clone());
    }
  }
  Trainer trainer(job, dataset, run, world);
  outcome.losses = trainer.run(false).first_losses;
  return outcome;
}

double relative(const at::Tensor& a, const at::Tensor& b, double floor) {
  return (a - b).norm().item<double>() / std::max(b.norm().item<double>(), floor);
}

/// The gradient of an attention vector can cancel to a hundredth of the whole: no tensor is held to
/// less than a twentieth of that.
double floor_of(const std::vector<at::Tensor>& gradients) {
  double squares = 0;
  for (const at::Tensor& gradient : gradients)
    squares += std::pow(gradient.norm().item<double>(), 2);
  return std::sqrt(squares) / 20;
}

struct Case {
  std::string attention;
  std::string precision;
  std::string step;
  double tolerance;
};

class ExactChunks : public ::testing::TestWithParam<Case> {};

TEST_P(ExactChunks, LossesAndGradientsEqualOneChunkOnOneRank) {
  Communicator& world = mpi_world();
  const auto alone = make_self_communicator();
  const SharedFolder folder("regatta-exact", world);
  TrainJob job = cora_job(10);
  job.runtime.precision = GetParam().precision;
  for (LayerOptions& layer : job.model.layers) {
    layer.attention = GetParam().attention;
    const bool dot = GetParam().attention == "dot";
    layer.residual = dot ? "linear" : "none";
    layer.layer_norm = dot;
  }
  const std::string rank = std::to_string(world.rank());
  make_cora(folder.path() + "/reference-" + rank, 1, *alone);
  const Outcome expected = train(
      job, folder.path() + "/reference-" + rank, folder.path() + "/reference-run-" + rank, *alone);
  ASSERT_EQ(expected.losses.size(), 10U);
  const double floor = floor_of(expected.gradients);

  for (const std::int64_t chunks : {1, 4, 8}) {
    const std::string data = folder.path() + "/" + std::to_string(chunks);
    make_cora(data, chunks, world);
    const Outcome got = train(job, data, data + "-run", world);
    for (std::size_t i = 0; i < expected.losses.size(); ++i) {
      EXPECT_LE(std::abs(got.losses[i] - expected.losses[i]) / expected.losses[i],
                GetParam().tolerance)
          << chunks << " chunks, step " << i;
    }
    for (std::size_t i = 0; i < expected.gradients.size(); ++i) {
      EXPECT_LE(relative(got.gradients[i], expected.gradients[i], floor), GetParam().tolerance)
          << chunks << " chunks, parameter " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds,
                         ExactChunks,
                         ::testing::Values(Case{"gat", "fp32", "full", 1e-5},
                                           Case{"gat", "fp64", "full", 1e-10},
                                           Case{"dot", "fp32", "full", 1e-5},
                                           Case{"dot", "fp64", "full", 1e-10},
                                           Case{"gatv2", "fp64", "full", 1e-10},
                                           Case{"transformer", "fp64", "full", 1e-10}),
                         [](const auto& info) {
                           return info.param.attention + info.param.precision;
                         });

/// A step of n targets cut from chunks equals the same targets of one whole chunk.
TEST(ExactRanges, StepsOfTargetsDependNotOnRanks) {
  Communicator& world = mpi_world();
  const auto alone = make_self_communicator();
  const SharedFolder folder("regatta-ranges", world);
  TrainJob job = cora_job(3);
  job.train.step.targets = 37;
  job.task.class_weights = "balanced";
  job.runtime.precision = "fp64";
  make_cora(folder.path() + "/data", 5, world);
  const std::string own = folder.path() + "/run-" + std::to_string(world.rank());
  const Outcome expected = train(job, folder.path() + "/data", own, *alone);
  const Outcome got = train(job, folder.path() + "/data", folder.path() + "/run", world);
  ASSERT_EQ(got.losses.size(), 10U);
  for (std::size_t i = 0; i < got.losses.size(); ++i) {
    EXPECT_NEAR(got.losses[i], expected.losses[i], 1e-10 * expected.losses[i]) << "step " << i;
  }
}

}  // namespace
}  // namespace regatta::testing
