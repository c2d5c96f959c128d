// One training is one result: the same bits on one rank and on as many as mpirun started, with one
// thread and two, undisturbed and resumed.
#include "core/error.h"
#include "mpi/mpi_world.h"
#include "train/cora_job.h"
#include "train/trainer.h"

#include <torch/types.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace regatta::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kChunks = 7;

class OneResultTest : public ::testing::Test {
 protected:
  OneResultTest() : folder_("regatta-one-result", mpi_world()), alone_(make_self_communicator()) {
    make_cora(folder_.path() + "/data", kChunks, mpi_world());
  }

  std::string run_folder(const std::string& name) const { return folder_.path() + "/" + name; }

  RunSummary train(const TrainJob& job, const std::string& name, bool resume, Communicator& world) {
    const auto dataset = std::make_shared<const Dataset>(folder_.path() + "/data");
    Trainer trainer(job, dataset, run_folder(name), world);
    return trainer.run(resume);
  }
  /// Of rank 0 alone, with one thread; on every rank.
  RunSummary train_alone(TrainJob job, const std::string& name) {
    job.runtime.threads = 1;
    RunSummary summary;
    if (mpi_world().rank() == 0)
      summary = train(job, name, false, *alone_);
    summary.model_digest.resize(8, ' ');
    mpi_world().broadcast(summary.model_digest.data(), 8, 0);
    summary.first_losses.resize(10);
    mpi_world().broadcast(summary.first_losses.data(), 80, 0);
    return summary;
  }

  SharedFolder folder_;
  std::unique_ptr<Communicator> alone_;
};

struct Case {
  std::string name;
  std::string attention = "gat";
  std::int64_t chunks = 0, targets = 0;
  std::string weights = "none";
  std::string precision = "fp32";
};

std::vector<Case> cases() {
  return {{"full"},
          {"steps of chunks", "gat", 3},
          {"steps of targets", "gatv2", 0, 37, "balanced"},
          {"transformer", "transformer", 2},
          {"dot in bf16", "dot", 0, 0, "none", "bf16"},
          {"fp64", "gat", 0, 50, "none", "fp64"}};
}

TrainJob job_of(const Case& c, std::int64_t epochs) {
  TrainJob job = cora_job(epochs);
  job.train.step.chunks = c.chunks;
  job.train.step.targets = c.targets;
  job.train.clip_norm = 1;
  job.task.class_weights = c.weights;
  job.runtime.precision = c.precision;
  for (LayerOptions& layer : job.model.layers) layer.attention = c.attention;
  return job;
}

TEST_F(OneResultTest, RanksAndThreadsDoNotMatter) {
  for (const Case& c : cases()) {
    TrainJob job = job_of(c, c.name == "full" ? 20 : 4);
    const RunSummary expected = train_alone(job, c.name + "-alone");
    for (const std::int64_t threads : {1, 2}) {
      job.runtime.threads = threads;
      const RunSummary got = train(job, c.name + std::to_string(threads), false, mpi_world());
      EXPECT_EQ(got.model_digest, expected.model_digest) << c.name << ", threads " << threads;
      for (std::size_t i = 0; i < got.first_losses.size(); ++i)
        EXPECT_EQ(got.first_losses[i], expected.first_losses[i]) << c.name << " step " << i;
    }
  }
}

TEST_F(OneResultTest, FastSumsAgreeToRounding) {
  TrainJob job = cora_job(1);
  const RunSummary exact = train_alone(job, "reproducible");
  job.train.reduction = "fast";
  const RunSummary fast = train(job, "fast", false, mpi_world());
  EXPECT_NEAR(fast.first_losses[0], exact.first_losses[0], 1e-5 * exact.first_losses[0]);
  const auto one = read_checkpoint(run_folder("reproducible") + "/checkpoints/best").model;
  const auto other = read_checkpoint(run_folder("fast") + "/checkpoints/best").model;
  ASSERT_EQ(one.size(), other.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    const double distance = (one[i].second - other[i].second).norm().item<double>();
    EXPECT_LE(distance, 1e-5 * one[i].second.norm().item<double>()) << one[i].first;
  }
}

/// Takes away what was written after `step`, as a crash of then would have left the run.
void forget_after(const std::string& run, std::int64_t step) {
  if (mpi_world().rank() == 0) {
    for (const auto& attempt : fs::directory_iterator(run + "/checkpoints/attempts")) {
      for (const auto& entry : fs::directory_iterator(attempt)) {
        const std::string name = entry.path().filename();
        if (name.rfind("step-", 0) == 0 && std::stoll(name.substr(5)) > step)
          fs::remove_all(entry.path());
      }
    }
  }
  mpi_world().barrier();
}

TEST_F(OneResultTest, ResumesInTheMiddleOfAnEpochOnAnyNumberOfRanks) {
  for (const std::string optimiser : {"adam", "sgd"}) {
    TrainJob job = job_of({"", "gat", 2}, 5);  // 4 steps an epoch
    job.train.optimiser.kind = optimiser;
    job.train.optimiser.momentum = optimiser == "sgd" ? 0.9 : 0;
    const RunSummary expected = train_alone(job, optimiser + "-straight");
    job.train.checkpoint_steps = 3;
    job.train.checkpoint_keep = 100;
    const std::string run = optimiser + "-cut";
    train(job, run, false, mpi_world());
    // After 15 steps on all ranks (in the third epoch), after 6 on rank 0 alone.
    forget_after(run_folder(run), 15);
    EXPECT_EQ(train(job, run, true, mpi_world()).model_digest, expected.model_digest) << optimiser;
    forget_after(run_folder(run), 6);
    if (mpi_world().rank() == 0) {
      EXPECT_EQ(train(job, run, true, *alone_).model_digest, expected.model_digest) << optimiser;
    }
    mpi_world().barrier();
  }
}

TEST_F(OneResultTest, StopsOnRequestOfOneRankAndGoesOn) {
  TrainJob job = job_of({"", "gat", 2}, 4);
  const RunSummary expected = train_alone(job, "straight");
  const auto dataset = std::make_shared<const Dataset>(folder_.path() + "/data");
  for (int stops = 0; stops < 3; ++stops) {
    StopRequest request;
    if (mpi_world().rank() == mpi_world().size() - 1)
      request.set(SIGUSR1);
    Trainer trainer(job, dataset, run_folder("stopped"), mpi_world());
    trainer.stop_on(&request);
    try {
      trainer.run(true);
      FAIL() << "did not stop";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kRequeue) << error.what();
      EXPECT_NE(std::string(error.what()).find("step " + std::to_string(stops + 1)),
                std::string::npos)
          << error.what();
    }
  }
  EXPECT_EQ(train(job, "stopped", true, mpi_world()).model_digest, expected.model_digest);
}

TEST_F(OneResultTest, RanksOfDifferentConfigurationsAreNamed) {
  if (mpi_world().size() == 1)
    GTEST_SKIP() << "SKIPPED: one rank cannot disagree";
  TrainJob job = cora_job(1);
  job.train.optimiser.learning_rate = mpi_world().rank() == 1 ? 0.5 : 0.25;
  try {
    train(job, "different", false, mpi_world());
    FAIL() << "trained with different learning rates";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    for (const std::string word : {"rank 1", "configuration", "learning_rate", "0.5", "0.25"})
      EXPECT_NE(message.find(word), std::string::npos) << word << ": " << message;
  }
}

}  // namespace
}  // namespace regatta::testing
