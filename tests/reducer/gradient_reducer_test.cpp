// Gradients over ranks against those of one process on all data.
#include "reducer/gradient_reducer.h"

#include "core/error.h"
#include "mpi/mpi_world.h"

#include <torch/torch.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regatta {
namespace {

using ::testing::HasSubstr;
using testing::mpi_world;

constexpr std::int64_t kRows = 24;
constexpr std::int64_t kWidth = 10;
constexpr std::int64_t kClasses = 3;

/// Two layers and a parameter that no loss uses.
struct Mlp : torch::nn::Module {
  torch::nn::Linear first{nullptr}, second{nullptr};
  at::Tensor unused;
  explicit Mlp(at::ScalarType type) {
    torch::manual_seed(7);
    first = register_module("first", torch::nn::Linear(kWidth, 8));
    unused = register_parameter("unused", torch::ones({5}));
    second = register_module("second", torch::nn::Linear(8, kClasses));
    to(type);
  }
  /// Summed over rows, divided by the count of the whole step.
  at::Tensor loss(const at::Tensor& x, const at::Tensor& labels) {
    const auto logits = second(torch::tanh(first(x)));
    return torch::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum) /
           static_cast<double>(kRows);
  }
};

struct Samples {
  at::Tensor x, labels;
  explicit Samples(at::ScalarType type, int seed = 11) {
    torch::manual_seed(static_cast<std::uint64_t>(seed));
    x = torch::randn({kRows, kWidth}, at::kDouble).to(type);
    labels = torch::randint(kClasses, {kRows}, at::kLong);
  }
};

struct Case {
  const char* name;
  at::ScalarType type;
  std::int64_t bucket_bytes;
};

class GradientReducerTest : public ::testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Cases,
                         GradientReducerTest,
                         ::testing::Values(Case{"FloatOneBucket", at::kFloat, 4 << 20},
                                           Case{"FloatTwoBuckets", at::kFloat, 120},
                                           Case{"FloatBucketEach", at::kFloat, 1},
                                           Case{"DoubleOneBucket", at::kDouble, 4 << 20},
                                           Case{"DoubleBucketEach", at::kDouble, 1}),
                         [](const auto& info) { return std::string(info.param.name); });

/// Micro-batches of two rows; `owner(k)` has micro-batch k. The oracle: one backward over all rows.
void expect_equal_to_one_process(const Case& c,
                                 const std::function<int(int)>& owner,
                                 int steps = 2) {
  Communicator& world = mpi_world();
  Mlp model(c.type);
  GradientReducer reducer(model.parameters(), world, {c.bucket_bytes});
  for (int step = 0; step < steps; ++step) {
    const Samples samples(c.type, 11 + step);
    std::vector<std::int64_t> mine;
    for (int k = 0; k < kRows / 2; ++k) {
      if (owner(k) == world.rank()) {
        mine.push_back(2 * k);
      }
    }
    reducer.begin(static_cast<std::int64_t>(mine.size()));
    for (const std::int64_t row : mine) {
      model.loss(samples.x.narrow(0, row, 2), samples.labels.narrow(0, row, 2)).backward();
      reducer.micro_batch_done();
    }
    reducer.finish();

    Mlp oracle(c.type);
    oracle.loss(samples.x, samples.labels).backward();
    const double tolerance = c.type == at::kFloat ? 1e-6 : 1e-12;
    for (const auto& item : oracle.named_parameters()) {
      const at::Tensor found = model.named_parameters()[item.key()].grad();
      ASSERT_TRUE(found.defined()) << item.key();
      const at::Tensor expected =
          item.value().grad().defined() ? item.value().grad() : torch::zeros_like(item.value());
      const double scale = expected.norm().item<double>();
      EXPECT_LE((found - expected).norm().item<double>(), tolerance * scale)
          << item.key() << " in step " << step;
    }
  }
}

TEST_P(GradientReducerTest, EvenShares) {
  expect_equal_to_one_process(GetParam(), [](int k) { return k % mpi_world().size(); });
}

TEST_P(GradientReducerTest, UnevenShares) {
  // Rank 0 has one micro-batch, the last has the most.
  expect_equal_to_one_process(
      GetParam(), [](int k) { return k == 0 ? 0 : std::max(0, mpi_world().size() - 1 - k / 8); });
}

TEST_P(GradientReducerTest, ARankWithoutWorkCountsAsZeros) {
  expect_equal_to_one_process(GetParam(),
                              [](int k) { return k % std::max(1, mpi_world().size() - 1); });
}

TEST_P(GradientReducerTest, AllWorkOnTheLastRank) {
  expect_equal_to_one_process(GetParam(), [](int /*k*/) { return mpi_world().size() - 1; });
}

TEST(GradientReducerOverlapTest, BucketsLeaveDuringTheLastBackward) {
  Communicator& world = mpi_world();
  Mlp model(at::kFloat);
  auto used = model.parameters();
  used.erase(
      used.begin());  // named first by the module: the unused one, at the end of the reverse order
  ASSERT_EQ(used.size(), 4U);
  GradientReducer reducer(used, world, {1});
  EXPECT_EQ(reducer.num_buckets(), 4);
  const Samples samples(at::kFloat);
  reducer.begin(2);
  model.loss(samples.x, samples.labels).backward();
  EXPECT_EQ(reducer.overlapped_buckets(), 0) << "one more micro-batch follows";
  reducer.micro_batch_done();
  model.loss(samples.x, samples.labels).backward();
  EXPECT_EQ(reducer.overlapped_buckets(), 4);
  reducer.micro_batch_done();
  reducer.finish();
  EXPECT_GE(reducer.wait_seconds(), 0);
}

TEST(GradientReducerOverlapTest, AnUnusedParameterHoldsItsBucketAndTheOnesBehind) {
  Communicator& world = mpi_world();
  Mlp model(at::kFloat);
  const auto& p = model.named_parameters();
  // Reverse order: second.weight, unused, first.weight.
  GradientReducer reducer({p["first.weight"], p["unused"], p["second.weight"]}, world, {1});
  const Samples samples(at::kFloat);
  reducer.begin(1);
  model.loss(samples.x, samples.labels).backward();
  reducer.micro_batch_done();
  EXPECT_EQ(reducer.overlapped_buckets(), 1);
  reducer.finish();
  EXPECT_EQ(p["unused"].grad().abs().sum().item<float>(), 0);
  EXPECT_GT(p["first.weight"].grad().abs().sum().item<float>(), 0);
}

TEST(GradientReducerOverlapTest, GradientsOfDifferentTypesTravelApart) {
  Communicator& world = mpi_world();
  const at::Tensor a = torch::ones({3}, at::kFloat).requires_grad_();
  const at::Tensor b = torch::ones({3}, at::kDouble).requires_grad_();
  GradientReducer reducer({a, b}, world);
  EXPECT_EQ(reducer.num_buckets(), 2);
  reducer.begin(1);
  ((a * 2).sum().to(at::kDouble) + (b * 3).sum()).backward();
  reducer.micro_batch_done();
  reducer.finish();
  EXPECT_TRUE(torch::equal(a.grad(), torch::full({3}, 2.0F * static_cast<float>(world.size()))));
  EXPECT_TRUE(torch::equal(b.grad(), torch::full({3}, 3.0 * world.size(), at::kDouble)));
}

TEST(GradientReducerLifeTest, TheModelOutlivesTheReducer) {
  Mlp model(at::kFloat);
  const Samples samples(at::kFloat);
  { const GradientReducer reducer(model.parameters(), mpi_world()); }
  model.loss(samples.x, samples.labels).backward();  // its hooks are gone
  EXPECT_TRUE(model.first->weight.grad().defined());
}

TEST(GradientReducerUseTest, WrongUseIsAnError) {
  const at::Tensor a = torch::ones({3}).requires_grad_();
  GradientReducer reducer({a}, mpi_world());
  EXPECT_THROW(reducer.finish(), Error);
  EXPECT_THROW(reducer.micro_batch_done(), Error);
  reducer.begin(1);
  EXPECT_THROW(reducer.begin(1), Error);
  EXPECT_THROW(reducer.finish(), Error) << "its micro-batch is not done";
  a.sum().backward();
  EXPECT_THROW(a.sum().backward(), Error) << "the bucket has left";
  reducer.micro_batch_done();
  reducer.finish();
}

/// The same Error(kUsage) on every rank, naming `words`.
void expect_refused(const std::vector<at::Tensor>& parameters,
                    const std::vector<std::string>& words,
                    std::int64_t bucket_bytes = 1024) {
  std::string message;
  try {
    const GradientReducer reducer(parameters, mpi_world(), {bucket_bytes});
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    message = error.what();
  }
  for (const std::string& word : words) {
    EXPECT_THAT(message, HasSubstr(word));
  }
}

TEST(GradientReducerAgreementTest, RanksThatDisagreeAreNamedOnEveryRank) {
  Communicator& world = mpi_world();
  if (world.size() == 1) {
    GTEST_SKIP() << "SKIPPED: one rank cannot disagree";
  }
  const bool odd = world.rank() == 1;
  const at::Tensor same = torch::ones({4}).requires_grad_();
  const at::Tensor shape = torch::ones({odd ? 3 : 4, 2}).requires_grad_();
  expect_refused({same, shape}, {"parameter 1", "rank 1", "[3, 2]", "[4, 2]"});
  const at::Tensor type = torch::ones({4}, odd ? at::kDouble : at::kFloat).requires_grad_();
  expect_refused({type, same}, {"parameter 0", "rank 1", "Double", "Float"});
  expect_refused(odd ? std::vector{same} : std::vector{same, same},
                 {"rank 1 has 1", "rank 0 has 2", "parameter 1"});
  expect_refused({same}, {"rank 1 has 2 bytes", "rank 0 has 1 bytes"}, odd ? 2 : 1);
  // A fault of one rank alone must not leave the others waiting.
  const at::Tensor half = torch::ones({4}, odd ? at::kHalf : at::kFloat).requires_grad_();
  expect_refused({half}, {"parameter 0", "rank 1", "Half"});
}

TEST(GradientReducerAgreementTest, UnusableParametersAreRefused) {
  const at::Tensor good = torch::ones({4}).requires_grad_();
  expect_refused({good, torch::ones({4}, at::kHalf).requires_grad_()},
                 {"parameter 1", "Half", "float64"});
  expect_refused({torch::ones({4})}, {"parameter 0", "without gradient"});
  expect_refused({good * 2}, {"not a leaf"});
  expect_refused({at::Tensor()}, {"undefined"});
  expect_refused({good}, {"at least 1"}, 0);
}

TEST(BroadcastParametersTest, EveryRankHoldsRankZeros) {
  Communicator& world = mpi_world();
  const at::Tensor plain =
      torch::full({3, 2}, static_cast<double>(world.rank() + 5)).requires_grad_();
  const at::Tensor turned = torch::arange(6)
                                .reshape({2, 3})
                                .to(at::kDouble)
                                .add_(100 * world.rank())
                                .t()
                                .requires_grad_();
  const at::Tensor empty = torch::empty({0}).requires_grad_();
  broadcast_parameters({plain, turned, empty}, world);
  EXPECT_TRUE(torch::equal(plain, torch::full({3, 2}, 5.0)));
  EXPECT_TRUE(torch::equal(turned, torch::arange(6).reshape({2, 3}).to(at::kDouble).t()));
}

}  // namespace
}  // namespace regatta
