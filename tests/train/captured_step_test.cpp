// Captured steps against plain ones, bit by bit, with a recording that a test replays on the
// processor; and when a step is captured, checked and replayed.
#include "train/captured_step.h"

#include "checkpoint/scratch_folder.h"
#include "data/sample_dataset.h"
#include "nn/model.h"
#include "tasks/task.h"
#include "train/batch_store.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <stdexcept>

namespace regatta {
namespace {

using ::testing::HasSubstr;

/// A training of `parameters` whose pass records itself: replaying calls it again, with what it was
/// called with when it was recorded, and writes into the tensors of the recording.
class Recorder {
 public:
  Recorder(std::vector<at::Tensor> parameters, CapturedStep::Pass pass)
      : parameters_(std::move(parameters)), pass_(std::move(pass)) {}

  CapturedStep::Pass pass() {
    return [this](const DropoutKeys* keys) {
      const at::Tensor loss = pass_(keys);
      if (recording) {
        if (fails)
          throw std::runtime_error("operation not permitted\nwhen stream is capturing");
        loss_ = loss.detach();
        keys_ = keys;
        gradients_.clear();
        for (const at::Tensor& parameter : parameters_) gradients_.push_back(parameter.grad());
      }
      return loss;
    };
  }

  void replay() {
    std::vector<at::Tensor> before;
    for (at::Tensor& parameter : parameters_) {
      before.push_back(parameter.grad());
      parameter.mutable_grad().reset();
    }
    loss_.copy_(pass_(keys_).detach());
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      if (gradients_[i].defined())
        gradients_[i].copy_(parameters_[i].grad());
      parameters_[i].mutable_grad() = before[i];
    }
    ++replays;
  }

  CapturedStep::MakeGraph make() {
    struct Graph : DeviceGraph {
      explicit Graph(Recorder& r) : recorder(r) { ++recorder.graphs; }
      ~Graph() override { --recorder.graphs; }
      void begin() override { recorder.recording = true; }
      void end() override { recorder.recording = false; }
      void replay() override { recorder.replay(); }
      Recorder& recorder;
    };
    return [this] { return std::make_unique<Graph>(*this); };
  }

  bool recording = false, fails = false;
  int replays = 0, graphs = 0;

 private:
  std::vector<at::Tensor> parameters_;
  CapturedStep::Pass pass_;
  at::Tensor loss_;
  std::vector<at::Tensor> gradients_;
  const DropoutKeys* keys_ = nullptr;
};

/// loss = weight * sum of (u w)^2 for words u of the step's key.
struct SmallTraining {
  at::Tensor w = torch::ones({4}, torch::kDouble).requires_grad_();
  at::Tensor unused = torch::ones({2}, torch::kDouble).requires_grad_();
  std::uint64_t step = 0;
  double weight = 2;
  bool ignores_keys = false;  ///< as a kernel whose key is an argument

  std::vector<at::Tensor> parameters() const { return {w, unused}; }
  CapturedStep::Pass pass() {
    return [this, recorded = std::optional<std::uint64_t>()](const DropoutKeys* keys) mutable {
      const RandomKey by_value = make_random_key(7, RandomPurpose::kInputDropout, step, 0);
      if (keys != nullptr && !recorded)
        recorded = by_value.value;
      const RandomKey key = keys == nullptr ? by_value
                            : ignores_keys
                                ? RandomKey{*recorded}
                                : RandomKey{*keys->place(RandomPurpose::kInputDropout, 0)};
      const auto words = random_words(key, 1, 1);
      at::Tensor u = torch::empty({4}, torch::kDouble);
      for (int i = 0; i < 4; ++i) u[i] = words[static_cast<std::size_t>(i)] * 0x1p-32;
      const at::Tensor loss = (u * w).square().sum();
      loss.backward(torch::full({}, 1 / weight, torch::kDouble));
      return loss;
    };
  }
};

void expect_plain_gradient(SmallTraining& training, CapturedStep& captured, double loss) {
  at::Tensor expected = training.pass()(nullptr).detach();
  const at::Tensor gradient = training.w.grad().clone();
  training.w.mutable_grad().reset();
  EXPECT_EQ(loss, expected.item<double>());
  EXPECT_TRUE(torch::equal(captured.gradients()[0], gradient));
  EXPECT_FALSE(captured.gradients()[1].defined());
}

struct SmallCapture {
  double run() {
    const double loss = captured.run(chunk, training.weight, {7, training.step}, recorder.pass());
    expect_plain_gradient(training, captured, loss);
    ++training.step;
    // As an optimiser does, in place.
    const torch::NoGradGuard no_grad;
    training.w -= 0.1 * captured.gradients()[0];
    return loss;
  }

  SmallTraining training;
  Recorder recorder{training.parameters(), training.pass()};
  std::shared_ptr<const void> chunk = std::make_shared<int>(1);
  CapturedStep captured{training.parameters(), DropoutKeys(1, at::kCPU), recorder.make()};
};

TEST(CapturedStep, GivesTheBitsOfThePlainStep) {
  SmallCapture small;
  for (int i = 0; i < 12; ++i) small.run();
  EXPECT_EQ(small.captured.refusal(), "");
  EXPECT_EQ(small.captured.replayed(), 7);
  EXPECT_EQ(small.recorder.replays, 8);  // and the check
}

TEST(CapturedStep, IsRefusedWhereItWouldDiffer) {
  SmallCapture small;
  small.training.ignores_keys = true;
  for (int i = 0; i < 8; ++i) small.run();
  EXPECT_THAT(small.captured.refusal(), HasSubstr("other bits"));
  EXPECT_EQ(small.captured.replayed(), 0);
  EXPECT_EQ(small.recorder.graphs, 0);
}

TEST(CapturedStep, IsRefusedWhereItCannotBeRecorded) {
  SmallCapture small;
  small.recorder.fails = true;
  for (int i = 0; i < 8; ++i) small.run();
  EXPECT_EQ(small.captured.refusal(), "the capture failed: operation not permitted");
  EXPECT_FALSE(small.recorder.recording);
  EXPECT_EQ(small.recorder.graphs, 0);
}

TEST(CapturedStep, BeginsAnewWithAnotherChunkOrWeight) {
  SmallCapture small;
  for (int i = 0; i < 6; ++i) small.run();
  const std::weak_ptr<const void> first = small.chunk;
  small.chunk = std::make_shared<int>(2);
  EXPECT_FALSE(first.expired());  // the recording reads it
  small.run();
  EXPECT_TRUE(first.expired());
  EXPECT_EQ(small.recorder.graphs, 0);
  for (int i = 0; i < 5; ++i) small.run();
  EXPECT_EQ(small.captured.replayed(), 2);
  small.training.weight = 3;
  for (int i = 0; i < 6; ++i) small.run();
  EXPECT_EQ(small.captured.replayed(), 3);
}

TEST(CapturedStep, IsGivenUpWhenEveryStepDiffers) {
  SmallCapture small;
  for (int i = 0; i < 6; ++i) {
    small.chunk = std::make_shared<int>(i);
    small.run();
  }
  EXPECT_THAT(small.captured.refusal(), HasSubstr("runtime.chunk_cache_mib"));
}

TEST(StepIdentity, IsNotFooledByAnAddress) {
  auto chunk = std::make_shared<int>(1);
  const StepIdentity first{chunk, 1};
  EXPECT_TRUE(first.same_as({chunk, 1}));
  EXPECT_FALSE(first.same_as({chunk, 2}));
  const std::shared_ptr<int> same_address(chunk.get(), [](int*) {});
  EXPECT_FALSE(first.same_as({same_address, 1}));
}

TEST(CaptureObstacle, NamesWhatChangesFromStepToStep) {
  TrainJob job;
  job.model.layers.resize(2);
  const MicroBatch whole{0, 0, 0, true, 1.0};
  const std::vector<std::vector<MicroBatch>> one = {{whole}};
  EXPECT_EQ(capture_obstacle(job, one), "");
  EXPECT_THAT(capture_obstacle(job, {{whole}, {whole}}), HasSubstr("2 steps"));
  EXPECT_THAT(capture_obstacle(job, {{whole, whole}}), HasSubstr("2 micro-batches"));
  EXPECT_THAT(capture_obstacle(job, {{}}), HasSubstr("0 micro-batches"));
  EXPECT_THAT(capture_obstacle(job, {{{0, 3, 5, false, 1.0}}}), HasSubstr("part of a chunk"));
  job.model.layers[1].relations = "bias";
  EXPECT_THAT(capture_obstacle(job, one), HasSubstr("model.layers.1.relations"));
  job.model.layers[1].relations = "none";
  job.task.class_weights = "balanced";
  EXPECT_THAT(capture_obstacle(job, one), HasSubstr("class_weights"));
  job.task.class_weights = "none";
  job.runtime.cuda_graph = "off";
  EXPECT_THAT(capture_obstacle(job, one), HasSubstr("cuda_graph"));
}

LayerOptions layer(const std::string& kind, std::int64_t width) {
  LayerOptions options;
  options.attention = kind;
  options.heads = 2;
  options.width = width;
  options.combine = width == 0 ? "mean" : "concat";
  options.activation = width == 0 ? "none" : "elu";
  options.input_dropout = 0.3;
  options.attention_dropout = 0.4;
  options.message_dropout = kind == "gat" ? 0.2 : 0;
  options.residual = "linear";
  options.norm = "layer";
  return options;
}

/// Every dropout of a model reads its key where it is stored: with kernels of the processor, a
/// replay with another step's keys is that step.
void expect_model_follows_keys(const std::string& kind, bool sparse) {
  SCOPED_TRACE(kind + (sparse ? " sparse" : " dense"));
  const test::ScratchFolder folder;
  test::write_sample_dataset(folder.path(), {.nodes = 80, .chunks = 1, .sparse = sparse});
  const auto dataset = std::make_shared<const Dataset>(folder.path());
  const auto task = make_task({}, dataset->manifest());
  ModelOptions options;
  options.layers = {layer(kind, 4), layer(kind, 0)};
  Model model(options, {dataset->manifest().feature_width, task->output_width(), 3});
  BatchStoreSettings settings;
  settings.layers = 2;
  settings.placement.kernels = &cpu_kernels();
  BatchStore store(dataset, task.get(), settings);
  store.begin({0});
  const auto chunk = store.next();
  std::uint64_t step = 0;
  const CapturedStep::Pass pass = [&](const DropoutKeys* keys) {
    // With keys the number of the step is that of the recording, as a kernel's argument would be.
    const PassContext context{&chunk->batch, true, 3, keys == nullptr ? step : 999, nullptr, keys};
    const at::Tensor loss = task->loss_sum(forward_all(model, context),
                                           chunk->targets[static_cast<std::size_t>(Split::kTrain)]);
    loss.backward();
    return loss;
  };
  Recorder recorder(model.tensors(), pass);
  CapturedStep captured(model.tensors(), DropoutKeys(2, at::kCPU), recorder.make());
  std::vector<double> losses;
  for (; step < 9; ++step) losses.push_back(captured.run(chunk, 1, {3, step}, recorder.pass()));
  EXPECT_EQ(captured.refusal(), "");
  EXPECT_EQ(captured.replayed(), 4);
  for (step = 0; step < 9; ++step)
    EXPECT_EQ(pass(nullptr).item<double>(), losses[step]) << "step " << step;
  EXPECT_NE(losses[7], losses[8]);
}

TEST(CapturedStep, FollowsEveryDropoutOfAModel) {
  for (const char* kind : {"gat", "gatv2", "dot", "transformer"})
    for (const bool sparse : {false, true}) expect_model_follows_keys(kind, sparse);
}

}  // namespace
}  // namespace regatta
