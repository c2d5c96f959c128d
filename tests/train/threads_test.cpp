// A training gives the same bits for any number of threads, with every dropout on.
#include "comm/communicator.h"
#include "train/cora_job.h"
#include "train/model_checkpoint.h"
#include "train/trainer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

namespace regatta::testing {
namespace {

struct Case {
  const char* attention;
  const char* precision;
  const char* norm = "layer";
  std::int64_t feed_forward = 0;
  const char* jumping_knowledge = "none";
};

class ThreadsTest : public ::testing::TestWithParam<Case> {
 protected:
  ThreadsTest() : world_(make_self_communicator()), folder_("regatta-threads", *world_) {
    make_cora(folder_.path() + "/data", 1, *world_);
    dataset_ = std::make_shared<const Dataset>(folder_.path() + "/data");
  }

  /// Digest of all parameters and the losses after five steps.
  std::string five_steps(const Case& of, std::int64_t threads) {
    TrainJob job = cora_job(5);
    job.runtime.precision = of.precision;
    for (LayerOptions& layer : job.model.layers) {
      layer.attention = of.attention;
      layer.residual = "linear";
      layer.norm = of.norm;
      layer.feed_forward = of.feed_forward;
    }
    job.model.jumping_knowledge = of.jumping_knowledge;
    job.runtime.threads = threads;
    Trainer trainer(job, dataset_, folder_.path() + "/run", *world_);
    std::string digest;
    for (std::uint64_t epoch = 0; epoch < 5; ++epoch) {
      const auto steps = trainer.plan(epoch);
      trainer.announce_epoch(steps);
      for (const Step& step : steps)
        digest += fmt::format("{:a} ", trainer.train_step(step, epoch));
    }
    return digest + tensors_digest(model_checkpoint_tensors(trainer.model()));
  }

  std::unique_ptr<Communicator> world_;
  SharedFolder folder_;
  std::shared_ptr<const Dataset> dataset_;
};

TEST_P(ThreadsTest, NeverChangeTheBitsOfATraining) {
  const std::string one = five_steps(GetParam(), 1);
  EXPECT_EQ(five_steps(GetParam(), 1), one) << "a second run differs from the first";
  EXPECT_EQ(five_steps(GetParam(), 2), one);
  EXPECT_EQ(five_steps(GetParam(), 3), one);
}

INSTANTIATE_TEST_SUITE_P(Kinds,
                         ThreadsTest,
                         ::testing::Values(Case{"gat", "fp32"},
                                           Case{"dot", "fp32"},
                                           Case{"gat", "bf16"},
                                           Case{"gatv2", "fp32", "graph"},
                                           Case{"gatv2", "bf16"},
                                           Case{"transformer", "fp32", "layer", 16, "concat"},
                                           Case{"transformer", "fp64", "graph", 16}),
                         [](const auto& info) {
                           return std::string(info.param.attention) + "_" + info.param.precision +
                                  "_" + info.param.norm;
                         });

}  // namespace
}  // namespace regatta::testing
