// Where a wish to stop comes from: signals, and a Slurm job's time limit as squeue prints it.
#include "cli/slurm_time_limit.h"
#include "cli/stop_signals.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace regatta {
namespace {

TEST(SlurmTimeTest, ReadsEveryFormOfSqueue) {
  EXPECT_EQ(seconds_of_slurm_time("0:30\n"), 30);
  EXPECT_EQ(seconds_of_slurm_time("03:04"), 184);
  EXPECT_EQ(seconds_of_slurm_time("02:03:04"), 7384);
  EXPECT_EQ(seconds_of_slurm_time("1-02:03:04"), 86400 + 7384);
  for (const char* text : {"UNLIMITED", "NOT_SET", "INVALID", "", "\n", "30", "1:2:3:4", "-1:00",
                           "1-", "a:30", "3:", "99999999999999999999:00"})
    EXPECT_FALSE(seconds_of_slurm_time(text)) << text;
}

/// A program called squeue, found first, as a cluster would have one.
class SqueueTest : public ::testing::Test {
 protected:
  SqueueTest() : path_(std::getenv("PATH")) {
    std::string pattern = (std::filesystem::temp_directory_path() / "regatta-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~SqueueTest() override {
    setenv("PATH", path_.c_str(), 1);
    std::filesystem::remove_all(folder_);
  }
  void answer(const std::string& left) {
    std::ofstream(folder_ + "/squeue") << "#!/bin/sh\n[ \"$3\" = 42 ] && echo " << left << "\n";
    std::filesystem::permissions(folder_ + "/squeue", std::filesystem::perms::owner_all);
    setenv("PATH", (folder_ + ":" + path_).c_str(), 1);
  }
  static bool requested_soon(const StopRequest& request) {
    for (int i = 0; i < 50 && !request.requested(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return request.requested();
  }
  std::string path_, folder_;
};

TEST_F(SqueueTest, LessThanTheMarginIsARequest) {
  answer("0:59");
  StopRequest request;
  const SlurmTimeLimit limit("42", 60, request);
  EXPECT_TRUE(requested_soon(request));
  EXPECT_EQ(request.reason(), "the time limit is near");
}

TEST_F(SqueueTest, MoreThanTheMarginIsNone) {
  for (const std::string left : {"1:01", "UNLIMITED", "INVALID"}) {
    answer(left);
    StopRequest request;
    const SlurmTimeLimit limit("42", 60, request);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_FALSE(request.requested()) << left;
  }
}

TEST_F(SqueueTest, WithoutSqueueTheTrainingGoesOn) {
  setenv("PATH", folder_.c_str(), 1);
  StopRequest request;
  { const SlurmTimeLimit limit("42", 60, request); }
  EXPECT_FALSE(request.requested());
}

TEST(StopSignalsTest, TheFirstSignalIsTheReasonAndHandlersComeBack) {
  StopRequest request;
  EXPECT_EQ(request.reason(), "");
  {
    const StopSignals signals(request);
    std::raise(SIGUSR1);
    std::raise(SIGTERM);
    EXPECT_TRUE(request.requested());
    EXPECT_EQ(request.reason(), "SIGUSR1");
  }
  EXPECT_EXIT(std::raise(SIGTERM), ::testing::KilledBySignal(SIGTERM), "");
}

TEST(StopSignalsTest, ASecondInterruptEndsTheProcess) {
  const auto interrupt_twice = [] {
    StopRequest request;
    const StopSignals signals(request);
    std::raise(SIGINT);
    if (!request.requested())
      std::exit(1);
    std::raise(SIGINT);
  };
  EXPECT_EXIT(interrupt_twice(), ::testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace regatta
