// Devices of ranks under the bindings that launchers make, with the device lists as input.
#include "train/device_choice.h"

#include "core/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regatta {
namespace {

using ::testing::HasSubstr;

std::vector<int> devices(const std::vector<RankDevices>& ranks, const std::string& backend) {
  std::vector<int> chosen;
  for (std::size_t r = 0; r < ranks.size(); ++r)
    chosen.push_back(choose_device(ranks, static_cast<int>(r), backend).device);
  return chosen;
}

bool nccl(const std::vector<RankDevices>& ranks, const std::string& backend = "auto") {
  return choose_device(ranks, 0, backend).nccl;
}

TEST(DeviceChoiceTest, EveryRankSeesAllOfItsNode) {
  const std::vector<RankDevices> ranks{
      {"n0", {"a", "b"}}, {"n0", {"a", "b"}}, {"n1", {"c", "d"}}, {"n1", {"c", "d"}}};
  EXPECT_EQ(devices(ranks, "auto"), (std::vector<int>{0, 1, 0, 1}));
  EXPECT_TRUE(nccl(ranks));
  EXPECT_FALSE(nccl(ranks, "mpi"));
}

TEST(DeviceChoiceTest, EachRankWasLeftItsOwn) {
  const std::vector<RankDevices> ranks{{"n0", {"a"}}, {"n0", {"b"}}, {"n1", {"a"}}};
  EXPECT_EQ(devices(ranks, "nccl"), (std::vector<int>{0, 0, 0}));
  EXPECT_TRUE(nccl(ranks));
}

TEST(DeviceChoiceTest, EachRankHasItsOwnOrder) {
  const std::vector<RankDevices> ranks{{"n0", {"a", "b"}}, {"n0", {"b", "a"}}, {"n0", {"a", "c"}}};
  EXPECT_EQ(devices(ranks, "auto"), (std::vector<int>{0, 0, 1}));
  EXPECT_TRUE(nccl(ranks));
}

TEST(DeviceChoiceTest, MoreRanksThanDevicesShareThemEvenlyOverMpi) {
  const std::vector<RankDevices> ranks(4, {"n0", {"a", "b"}});
  EXPECT_EQ(devices(ranks, "auto"), (std::vector<int>{0, 1, 0, 1}));
  EXPECT_FALSE(nccl(ranks));
  try {
    choose_device(ranks, 0, "nccl");
    FAIL() << "two ranks on one GPU under NCCL";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kDevice);
    EXPECT_THAT(error.what(), HasSubstr("rank 2 on n0"));
  }
}

TEST(DeviceChoiceTest, OneRankThatSharesDecidesForAll) {
  const std::vector<RankDevices> ranks{{"n0", {"a"}}, {"n1", {"b"}}, {"n1", {"b"}}};
  for (int r = 0; r < 3; ++r) EXPECT_FALSE(choose_device(ranks, r, "auto").nccl);
}

TEST(DeviceChoiceTest, ARankWithoutAGpuIsNamedOnEveryRank) {
  const std::vector<RankDevices> ranks{{"n0", {"a"}}, {"n7", {}}};
  for (int r = 0; r < 2; ++r) {
    try {
      choose_device(ranks, r, "auto");
      FAIL() << "trained without a GPU";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kDevice);
      EXPECT_THAT(error.what(), HasSubstr("rank 1 on n7"));
    }
  }
}

TEST(DeviceChoiceTest, AloneThereIsNothingToReduce) {
  EXPECT_FALSE(nccl({{"n0", {"a", "b"}}}));
}

}  // namespace
}  // namespace regatta
