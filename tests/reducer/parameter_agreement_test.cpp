// Which parameters a reducer takes, frozen ones, and ranks whose parameters differ.
#include "core/error.h"
#include "mpi/mpi_world.h"
#include "reducer/gradient_reducer.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <span>
#include <string>

namespace regatta {
namespace {

using ::testing::HasSubstr;
using testing::mpi_world;

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
  const at::Tensor frozen = torch::ones({4}).requires_grad_(!odd);
  expect_refused({same, frozen}, {"parameter 1", "rank 1", "frozen"});
  // A fault of one rank alone must not leave the others waiting.
  const at::Tensor half = torch::ones({4}, odd ? at::kHalf : at::kFloat).requires_grad_();
  expect_refused({half}, {"parameter 0", "rank 1", "Half"});
}

TEST(GradientReducerAgreementTest, UnusableParametersAreRefused) {
  const at::Tensor good = torch::ones({4}).requires_grad_();
  expect_refused({good, torch::ones({4}, at::kHalf).requires_grad_()},
                 {"parameter 1", "Half", "float64"});
  expect_refused({good * 2}, {"not a leaf"});
  expect_refused({at::Tensor()}, {"undefined"});
  expect_refused({good}, {"at least 1"}, 0);
}

TEST(FrozenParameterTest, FrozenFromTheStartIsLeftAlone) {
  for (const bool reproducible : {true, false}) {
    const at::Tensor half = torch::ones({3}, at::kHalf);  // no type for gradients
    const at::Tensor frozen = torch::ones({100});
    const at::Tensor live = torch::ones({4}).requires_grad_();
    GradientReducer reducer({half, frozen, live}, mpi_world(), {1, reproducible});
    EXPECT_EQ(reducer.num_buckets(), 1);
    do {
      reducer.begin(1);
      (live * frozen[0] * 2).sum().backward();
      reducer.micro_batch_done();
    } while (!reducer.finish());
    EXPECT_FALSE(frozen.grad().defined());
    EXPECT_FALSE(half.grad().defined());
    EXPECT_EQ(live.grad()[3].item<float>(), 2.0F * static_cast<float>(mpi_world().size()));
    EXPECT_EQ(reducer.shifts().size(), reproducible ? 1U : 0U);
    frozen.requires_grad_();
    try {
      reducer.begin(1);
      ADD_FAILURE() << "its gradients would not be summed";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kUsage);
      EXPECT_THAT(error.what(), HasSubstr("parameter 1"));
    }
  }
}

TEST(FrozenParameterTest, AllFrozenStillAgree) {
  GradientReducer reducer({torch::ones({4})}, mpi_world());
  reducer.request(mpi_world().rank());
  reducer.begin(0, 1);
  EXPECT_TRUE(reducer.finish());
  EXPECT_EQ(reducer.agreed_request(), mpi_world().size() - 1);
}

/// Frozen in step 1 on every rank, in step 2 on the last, in step 3 not.
TEST(FrozenParameterTest, FrozenWhileTrainingCountsAsZeros) {
  const int ranks = mpi_world().size();
  for (const bool reproducible : {true, false}) {
    const at::Tensor a = torch::ones({3}).requires_grad_();
    const at::Tensor b = torch::ones({2}).requires_grad_();
    GradientReducer reducer({a, b}, mpi_world(), {1, reproducible});
    const std::vector<int> frozen_from = {ranks, 0, ranks - 1, ranks};
    for (const int first_frozen : frozen_from) {
      a.set_requires_grad(mpi_world().rank() < first_frozen);
      do {
        reducer.begin(2);
        for (int k = 0; k < 2; ++k) {
          (a.sum() + b.sum()).backward();
          reducer.micro_batch_done();
        }
      } while (!reducer.finish());
      EXPECT_EQ(a.grad()[0].item<float>(), 2.0F * static_cast<float>(first_frozen));
      EXPECT_EQ(b.grad()[0].item<float>(), 2.0F * static_cast<float>(ranks));
    }
  }
}

/// The message of check_parameters_equal; empty where it finds nothing.
std::string difference(const std::vector<at::Tensor>& parameters) {
  try {
    check_parameters_equal(parameters, mpi_world());
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kInternal);
    return error.what();
  }
}

TEST(CheckParametersEqualTest, NamesTheFirstRankAndParameterOnEveryRank) {
  Communicator& world = mpi_world();
  torch::manual_seed(2);
  const at::Tensor a = torch::randn({40, 3}).requires_grad_();
  const at::Tensor b = torch::randn({3, 40}).t();  // not contiguous
  EXPECT_EQ(difference({a, b, at::Tensor()}), "");
  if (world.size() == 1)
    return;
  const int odd = world.size() - 1;
  at::Tensor c = torch::zeros({1000});
  if (world.rank() == odd)
    c[999] = -0.0F;  // equal as a number, not in its bits
  EXPECT_THAT(difference({a, b, c}), HasSubstr("parameter 2: rank " + std::to_string(odd)));
  const std::string mine = difference({a, c, b});
  const auto all = world.all_gather(std::as_bytes(std::span(mine)));
  for (const auto& message : all) EXPECT_EQ(message, all[0]);
  EXPECT_THAT(difference(world.rank() == odd ? std::vector{a} : std::vector{a, b}),
              HasSubstr("no such parameter"));
  const at::Tensor type = torch::ones({2}, world.rank() == odd ? at::kFloat : at::kInt);
  EXPECT_THAT(difference({type}), HasSubstr("Float [2]"));
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
