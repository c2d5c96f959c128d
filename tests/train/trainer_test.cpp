// Training from end to end in one process or several: resume, early stopping, starting weights,
// faults.
#include "train/trainer.h"

#include "core/error.h"
#include "mpi/mpi_world.h"
#include "train/cora_job.h"
#include "train/model_checkpoint.h"

#include <torch/types.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace regatta::testing {
namespace {

class TrainerTest : public ::testing::Test {
 protected:
  TrainerTest() : folder_("regatta-trainer", mpi_world()) {
    make_cora(folder_.path() + "/data", 3, mpi_world());
    dataset_ = std::make_shared<const Dataset>(folder_.path() + "/data");
  }
  RunSummary train(const TrainJob& job, const std::string& run, bool resume = false) {
    Trainer trainer(job, dataset_, folder_.path() + "/" + run, mpi_world());
    return trainer.run(resume);
  }
  std::int64_t lines(const std::string& run) const {
    std::ifstream file(folder_.path() + "/" + run + "/metrics.jsonl");
    return std::count(std::istreambuf_iterator<char>(file), {}, '\n');
  }

  SharedFolder folder_;
  std::shared_ptr<const Dataset> dataset_;
};

TEST_F(TrainerTest, ResumingEqualsNotStoppingForEveryOptimiser) {
  for (const std::string kind :
       {"adam", "adamw", "sgd", "rmsprop", "adagrad", "gradient_descent"}) {
    TrainJob rest = cora_job(6);
    rest.train.optimiser.kind = kind;
    rest.train.optimiser.momentum = kind == "sgd" || kind == "rmsprop" ? 0.9 : 0;
    TrainJob first = rest;
    first.train.epochs = 3;
    const RunSummary straight = train(rest, kind + "-straight");
    train(first, kind + "-cut");
    const RunSummary resumed = train(rest, kind + "-cut", true);
    EXPECT_EQ(resumed.model_digest, straight.model_digest) << kind;
    EXPECT_EQ(resumed.first_losses, straight.first_losses) << kind;
    mpi_world().barrier();
    if (mpi_world().rank() == 0) {
      EXPECT_EQ(lines(kind + "-cut"), 6) << kind;
    }
  }
}

TEST_F(TrainerTest, LearnsAndStopsEarly) {
  TrainJob job = cora_job(400);
  job.train.patience = 5;
  const RunSummary run = train(job, "early");
  EXPECT_LT(run.epochs, 400);
  EXPECT_GT(run.test.accuracy, 0.6);
  EXPECT_EQ(run.test.count, 1000);
  EXPECT_EQ(run.validation.count, 500);
  EXPECT_EQ(run.train.count, 140);
  EXPECT_GT(run.best_epoch, 0);
}

TEST_F(TrainerTest, StartsFromOtherWeights) {
  const RunSummary first = train(cora_job(3), "first");
  TrainJob job = cora_job(1);
  job.train.init_from = folder_.path() + "/first/checkpoints/last";
  job.train.optimiser.learning_rate = 1e-12;
  job.train.optimiser.weight_decay = 0;
  const RunSummary next = train(job, "next");
  EXPECT_LT(next.first_losses.front(), first.first_losses.front());
}

TEST_F(TrainerTest, RefusesToResumeAnotherModel) {
  train(cora_job(2), "other");
  TrainJob job = cora_job(4);
  job.model.layers[0].heads = 4;
  try {
    train(job, "other", true);
    FAIL() << "resumed with another model";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("model"), std::string::npos) << error.what();
  }
}

TEST_F(TrainerTest, NonFiniteLossStopsOrSkipsOnAllRanksAlike) {
  TrainJob job = cora_job(3);
  job.train.optimiser.kind = "sgd";
  job.train.optimiser.learning_rate = 1e30;
  try {
    train(job, "stop");
    FAIL() << "a diverged training went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kNonFinite) << error.what();
    const std::string message = error.what();
    EXPECT_NE(message.find("step"), std::string::npos);
    EXPECT_NE(message.find("model.layers."), std::string::npos) << message;
    EXPECT_NE(message.find("tensor '"), std::string::npos) << message;
  }
  job.train.on_non_finite = "skip";
  EXPECT_EQ(train(job, "skip").steps, 3);
}

TEST_F(TrainerTest, StepsOfChunksAndClassWeights) {
  TrainJob job = cora_job(4);
  job.train.step.chunks = 2;
  job.task.class_weights = "balanced";
  job.train.clip_norm = 0.5;
  const RunSummary run = train(job, "chunks");
  EXPECT_EQ(run.steps, 8);
}

}  // namespace
}  // namespace regatta::testing
