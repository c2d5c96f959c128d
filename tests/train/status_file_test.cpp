// status.json and the end-of-run table, as their readers find them.
#include "train/phase_report.h"
#include "train/status_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>

namespace regatta {
namespace {

using ::testing::HasSubstr;

class StatusFileTest : public ::testing::Test {
 protected:
  StatusFileTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "regatta-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~StatusFileTest() override { std::filesystem::remove_all(folder_); }
  nlohmann::json read() const {
    std::ifstream file(folder_ + "/status.json");
    return nlohmann::json::parse(file);
  }
  std::string folder_;
};

TEST_F(StatusFileTest, SaysHowFarAndWhatEachRankDoes) {
  StatusFile status(folder_ + "/status.json");
  status.plan(10);
  status.epoch(3, 8);
  status.step(5, 21, 0.25);
  status.validation(0.5, 0.75);
  ProgressSnapshot reading, waiting;
  reading.phase = static_cast<int>(Phase::kRead);
  reading.phase_seconds = 4;
  waiting.phase = static_cast<int>(Phase::kReduce);
  waiting.in_collective = 1;
  waiting.wait_seconds = 3;
  status.ranks({{reading, 1, 0.5}, {waiting, 2, 0}});
  const auto json = read();
  EXPECT_EQ(json["state"], "training");
  EXPECT_EQ(json["epoch"], 3);
  EXPECT_EQ(json["epochs"], 10);
  EXPECT_EQ(json["step_of_epoch"], 5);
  EXPECT_EQ(json["steps_of_epoch"], 8);
  EXPECT_EQ(json["steps"], 21);
  EXPECT_EQ(json["loss"], 0.25);
  EXPECT_EQ(json["validation"]["accuracy"], 0.75);
  EXPECT_EQ(json["ranks"][0]["phase"], "read");
  EXPECT_EQ(json["ranks"][0]["seconds"], 4);
  EXPECT_EQ(json["ranks"][1]["waits"], true);
  EXPECT_EQ(json["ranks"][1]["seconds"], 3);
}

TEST_F(StatusFileTest, ALossThatIsNotFiniteIsNull) {
  StatusFile status(folder_ + "/status.json");
  status.step(1, 1, std::numeric_limits<double>::infinity());
  status.end("failed");
  EXPECT_TRUE(read()["loss"].is_null());
  EXPECT_EQ(read()["state"], "failed");
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/status.json.tmp"));
}

TEST_F(StatusFileTest, AFolderThatIsGoneIsNoReasonToStop) {
  StatusFile status(folder_ + "/none/status.json");
  EXPECT_NO_THROW(status.end("finished"));
}

TEST(PhaseReportTest, NamesTheBusiestRank) {
  PhaseSeconds seconds(3);
  for (std::size_t r = 0; r < 3; ++r) {
    seconds[r][static_cast<std::size_t>(Phase::kForward)] = 1;
    seconds[r][static_cast<std::size_t>(Phase::kBackward)] = r == 2 ? 5 : 2;
    seconds[r][static_cast<std::size_t>(Phase::kRead)] = r == 1 ? 1 : 0;
  }
  const auto report = phase_report(seconds);
  EXPECT_EQ(report["slowest_rank"], 2);
  EXPECT_DOUBLE_EQ(report["imbalance"], 6 / 4.0);
  EXPECT_DOUBLE_EQ(report["stall_share"], 1 / 4.0);
  EXPECT_EQ(report["seconds"]["backward"], (std::vector<double>{2, 2, 5}));
  EXPECT_THAT(phase_table(seconds), HasSubstr("imbalance 1.50 (rank 2"));
}

}  // namespace
}  // namespace regatta
