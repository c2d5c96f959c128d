// Gradients over ranks against those of one process on all data.
#include "reducer/gradient_reducer.h"

#include "core/error.h"
#include "mpi/mpi_world.h"

#include <torch/autograd.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>
#include <torch/types.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

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
  bool reproducible = true;
};

class GradientReducerTest : public ::testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Cases,
                         GradientReducerTest,
                         ::testing::Values(Case{"FloatOneBucket", at::kFloat, 4 << 20},
                                           Case{"FloatTwoBuckets", at::kFloat, 120},
                                           Case{"FloatBucketEach", at::kFloat, 1},
                                           Case{"DoubleOneBucket", at::kDouble, 4 << 20},
                                           Case{"DoubleBucketEach", at::kDouble, 1},
                                           Case{"FastFloat", at::kFloat, 120, false},
                                           Case{"FastDouble", at::kDouble, 1, false}),
                         [](const auto& info) { return std::string(info.param.name); });

/// Micro-batches of two rows; `owner(k)` has micro-batch k. The oracle: one backward over all rows.
void expect_equal_to_one_process(const Case& c,
                                 const std::function<int(int)>& owner,
                                 int steps = 2) {
  Communicator& world = mpi_world();
  Mlp model(c.type);
  GradientReducer reducer(model.parameters(), world, {c.bucket_bytes, c.reproducible, 1});
  for (int step = 0; step < steps; ++step) {
    const Samples samples(c.type, 11 + step);
    std::vector<std::int64_t> mine;
    for (int k = 0; k < kRows / 2; ++k) {
      if (owner(k) == world.rank()) {
        mine.push_back(2 * k);
      }
    }
    int attempts = 0;
    do {
      ++attempts;
      reducer.begin(static_cast<std::int64_t>(mine.size()), step % 2 == 0 ? 0 : kRows / 2);
      for (const std::int64_t row : mine) {
        const at::Tensor loss =
            model.loss(samples.x.narrow(0, row, 2), samples.labels.narrow(0, row, 2));
        loss.backward();
        const auto value = loss.item<double>();
        reducer.micro_batch_done({&value, 1});
      }
    } while (!reducer.finish());
    EXPECT_EQ(attempts, step == 0 && c.reproducible ? 2 : 1);

    Mlp oracle(c.type);
    const at::Tensor whole = oracle.loss(samples.x, samples.labels);
    whole.backward();
    const double tolerance = c.type == at::kFloat ? 1e-6 : 1e-12;
    EXPECT_NEAR(reducer.scalars()[0], whole.item<double>(), tolerance * 10);
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
  GradientReducer reducer(used, world, {1, false});
  EXPECT_EQ(reducer.num_buckets(), 4);
  const Samples samples(at::kFloat);
  reducer.begin(2);
  model.loss(samples.x, samples.labels).backward();
  EXPECT_EQ(reducer.overlapped_buckets(), 0) << "one more micro-batch follows";
  reducer.micro_batch_done();
  model.loss(samples.x, samples.labels).backward();
  EXPECT_EQ(reducer.overlapped_buckets(), 4);
  reducer.micro_batch_done();
  EXPECT_TRUE(reducer.finish());
  EXPECT_GE(reducer.wait_seconds(), 0);
}

TEST(GradientReducerOverlapTest, AnUnusedParameterHoldsItsBucketAndTheOnesBehind) {
  Communicator& world = mpi_world();
  Mlp model(at::kFloat);
  const auto& p = model.named_parameters();
  // Reverse order: second.weight, unused, first.weight.
  GradientReducer reducer({p["first.weight"], p["unused"], p["second.weight"]}, world, {1, false});
  const Samples samples(at::kFloat);
  reducer.begin(1);
  model.loss(samples.x, samples.labels).backward();
  reducer.micro_batch_done();
  EXPECT_EQ(reducer.overlapped_buckets(), 1);
  EXPECT_TRUE(reducer.finish());
  EXPECT_EQ(p["unused"].grad().abs().sum().item<float>(), 0);
  EXPECT_GT(p["first.weight"].grad().abs().sum().item<float>(), 0);
}

TEST(GradientReducerOverlapTest, GradientsOfDifferentTypesTravelApart) {
  Communicator& world = mpi_world();
  const at::Tensor a = torch::ones({3}, at::kFloat).requires_grad_();
  const at::Tensor b = torch::ones({3}, at::kDouble).requires_grad_();
  GradientReducer reducer({a, b}, world);
  EXPECT_EQ(reducer.num_buckets(), 2);
  do {
    reducer.begin(1);
    ((a * 2).sum().to(at::kDouble) + (b * 3).sum()).backward();
    reducer.micro_batch_done();
  } while (!reducer.finish());
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
  EXPECT_THROW((void)reducer.finish(), Error);
  EXPECT_THROW(reducer.micro_batch_done(), Error);
  reducer.begin(1);
  EXPECT_THROW(reducer.begin(1), Error);
  EXPECT_THROW((void)reducer.finish(), Error) << "its micro-batch is not done";
  a.sum().backward();
  EXPECT_THROW(a.sum().backward(), Error) << "the bucket has left";
  EXPECT_THROW(reducer.micro_batch_done(std::vector<double>{1}), Error)
      << "no scalar was announced";
  reducer.micro_batch_done();
  EXPECT_FALSE(reducer.finish()) << "the first step only measures";
  EXPECT_THROW(reducer.begin(2, 1), Error) << "more here than in the whole step";
}

/// Gradients of one step, computed by hand: micro-batch k of `values` goes to rank owner(k).
at::Tensor sum_by_owner(GradientReducer& reducer,
                        at::Tensor& parameter,
                        const std::vector<at::Tensor>& values,
                        const std::function<int(int)>& owner) {
  std::vector<at::Tensor> mine;
  for (int k = 0; k < static_cast<int>(values.size()); ++k) {
    if (owner(k) == mpi_world().rank())
      mine.push_back(values[static_cast<std::size_t>(k)]);
  }
  do {
    reducer.begin(static_cast<std::int64_t>(mine.size()), static_cast<std::int64_t>(values.size()));
    for (const at::Tensor& value : mine) {
      (parameter * value).sum().backward();
      reducer.micro_batch_done();
    }
  } while (!reducer.finish());
  return parameter.grad().clone();
}

TEST(ReproducibleSumTest, AnyOwnersGiveTheSameBits) {
  const int ranks = mpi_world().size();
  const std::vector<std::function<int(int)>> owners = {
      [](int) { return 0; },
      [ranks](int k) { return k % ranks; },
      [ranks](int k) { return (k * k + 1) % ranks; },
      [ranks](int k) { return ranks - 1 - k % ranks; }};
  torch::manual_seed(3);
  std::vector<std::vector<at::Tensor>> steps;
  for (int s = 0; s < 4; ++s) {
    steps.emplace_back();
    for (int k = 0; k < 13; ++k)
      steps.back().push_back(torch::randn({1000}) * std::pow(10.0, k % 5 - 2));
  }
  std::vector<at::Tensor> first;
  for (const auto& owner : owners) {
    at::Tensor parameter = torch::ones({1000}).requires_grad_();
    GradientReducer reducer({parameter}, mpi_world());
    for (std::size_t s = 0; s < steps.size(); ++s) {
      const at::Tensor sum = sum_by_owner(reducer, parameter, steps[s], owner);
      if (first.size() <= s)
        first.push_back(sum);
      EXPECT_TRUE(torch::equal(sum, first[s])) << "step " << s;
      at::Tensor exact = torch::zeros({1000}, at::kDouble);
      for (const at::Tensor& value : steps[s]) exact += value.to(at::kDouble);
      EXPECT_LE((sum.to(at::kDouble) - exact).norm().item<double>(),
                1e-7 * exact.norm().item<double>());
    }
    EXPECT_EQ(reducer.repeated_steps(), 1);
  }
}

TEST(ReproducibleSumTest, AStepThatOutgrowsItsScaleIsRepeatedNotWrapped) {
  at::Tensor parameter = torch::ones({3}).requires_grad_();
  GradientReducer reducer({parameter}, mpi_world());
  const auto owner = [](int k) { return k % mpi_world().size(); };
  for (const double size : {1.0, 1e20, 1e-20, 3e38, 1e-38, 0.0, 5.0, 6.0}) {
    const auto value = static_cast<float>(size);
    const at::Tensor sum = sum_by_owner(
        reducer, parameter, {torch::full({3}, value), torch::full({3}, -value / 4)}, owner);
    EXPECT_TRUE(torch::allclose(sum, torch::full({3}, value - value / 4), 1e-6, 0)) << size;
  }
  EXPECT_EQ(reducer.repeated_steps(), 6) << "the first, each jump; not 0, 6 nor 5 after 0 after...";
}

TEST(ReproducibleSumTest, WhatIsNotFiniteAnywhereIsNaNEverywhere) {
  at::Tensor good = torch::ones({3}).requires_grad_();
  at::Tensor bad = torch::ones({2}).requires_grad_();
  GradientReducer reducer({good, bad}, mpi_world());
  const bool last = mpi_world().rank() == mpi_world().size() - 1;
  for (const float fault :
       {1.0F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    do {
      reducer.begin(1);
      (good.sum() + (bad * torch::tensor({1.0F, last ? fault : 1.0F})).sum()).backward();
      reducer.micro_batch_done();
    } while (!reducer.finish());
    EXPECT_EQ(good.grad()[0].item<float>(), static_cast<float>(mpi_world().size()));
    EXPECT_EQ(std::isfinite(fault), std::isfinite(bad.grad()[0].item<float>()));
  }
}

TEST(ReproducibleSumTest, ShiftsGoOnFromACheckpoint) {
  at::Tensor parameter = torch::ones({8}).requires_grad_();
  torch::manual_seed(5);
  const std::vector<at::Tensor> one{torch::randn({8}), torch::randn({8})};
  const std::vector<at::Tensor> two{torch::randn({8}) * 3e-3, torch::randn({8})};
  const auto owner = [](int k) { return k % mpi_world().size(); };
  GradientReducer straight({parameter}, mpi_world());
  sum_by_owner(straight, parameter, one, owner);
  const auto shifts = straight.shifts();
  const at::Tensor expected = sum_by_owner(straight, parameter, two, owner);
  GradientReducer resumed({parameter}, mpi_world());
  resumed.restore_shifts(shifts);
  EXPECT_TRUE(torch::equal(sum_by_owner(resumed, parameter, two, owner), expected));
  EXPECT_EQ(resumed.repeated_steps(), 0);
  EXPECT_THROW(resumed.restore_shifts({1, 2}), Error);
  EXPECT_THROW(resumed.restore_shifts({100000}), Error);
}

TEST(RequestTest, RanksAgreeOnTheLargest) {
  at::Tensor parameter = torch::ones({2}).requires_grad_();
  for (const bool reproducible : {true, false}) {
    GradientReducer reducer({parameter}, mpi_world(), {1024, reproducible});
    if (mpi_world().rank() == mpi_world().size() - 1)
      reducer.request(7);
    do {
      reducer.begin(0, 1);
    } while (!reducer.finish());
    EXPECT_EQ(reducer.agreed_request(), 7);
    EXPECT_EQ(parameter.grad().abs().sum().item<float>(), 0);
  }
}

TEST(AccumulationTest, MicroBatchesThatUseDifferentParameters) {
  // a in micro-batches 0 and 2, b in 1 and 2, c in the first alone, d in none.
  for (const bool reproducible : {true, false}) {
    std::vector<at::Tensor> p;
    for (int i = 0; i < 4; ++i) p.push_back(torch::ones({i + 1}).requires_grad_());
    GradientReducer reducer(p, mpi_world(), {1, reproducible});
    for (int step = 0; step < 2; ++step) {
      do {
        reducer.begin(3);
        (p[0].sum() + p[2].sum()).backward();
        reducer.micro_batch_done();
        (p[1] * 4).sum().backward();
        reducer.micro_batch_done();
        (p[0] * 0.5 + p[1].sum()).sum().backward();
        reducer.micro_batch_done();
      } while (!reducer.finish());
      const auto ranks = static_cast<float>(mpi_world().size());
      const std::vector<float> expected = {1.5F, 5, 1, 0};
      for (std::size_t i = 0; i < p.size(); ++i)
        EXPECT_EQ(p[i].grad()[0].item<float>(), expected[i] * ranks) << i << " in step " << step;
    }
  }
}

}  // namespace
}  // namespace regatta
