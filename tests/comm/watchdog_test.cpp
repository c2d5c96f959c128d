// What a watchdog concludes from heartbeats, and what a rank's progress says of it.
#include "comm/watchdog.h"

#include "comm/watched_communicator.h"
#include "mpi/mpi_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace regatta {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::mpi_world;

constexpr WatchdogLimits kLimits{60, 300, 600};

ProgressSnapshot waits(double seconds, std::int64_t collective = 9) {
  return {static_cast<int>(Phase::kReduce), 1, collective, 4, 0, seconds};
}
ProgressSnapshot works(Phase phase, double seconds, std::int64_t collective = 8) {
  return {static_cast<int>(phase), 0, collective, 4, seconds, 0};
}

TEST(JudgeTest, WorkWithinItsLimitIsFine) {
  const auto mine = works(Phase::kForward, 599);
  EXPECT_FALSE(judge({{mine, 1, 0}}, 0, mine, kLimits).hangs);
  const auto waiting = waits(5);
  const Verdict verdict = judge({{waiting, 1, 0}, {works(Phase::kRead, 5), 1, 0.4}}, 0, waiting, kLimits);
  EXPECT_FALSE(verdict.hangs);
  EXPECT_THAT(verdict.reason, IsEmpty());
}

TEST(JudgeTest, EachKindOfPhaseHasItsLimit) {
  for (const auto& [phase, limit] : std::vector<std::pair<Phase, double>>{{Phase::kRead, 300},
                                                                          {Phase::kCheckpoint, 300},
                                                                          {Phase::kUpload, 300},
                                                                          {Phase::kForward, 600},
                                                                          {Phase::kEvaluate, 600}}) {
    const auto before = works(phase, limit - 1), after = works(phase, limit + 1);
    EXPECT_FALSE(judge({{before, 1, 0}}, 0, before, kLimits).hangs) << phase_name(phase);
    const Verdict verdict = judge({{before, 1, 0}, {after, 1, 0}}, 1, after, kLimits);
    EXPECT_TRUE(verdict.hangs) << phase_name(phase);
    EXPECT_THAT(verdict.reason, HasSubstr("rank 1"));
    EXPECT_THAT(verdict.reason, HasSubstr(phase_name(phase)));
    EXPECT_FALSE(judge({{after, 1, 0}}, 0, after, {60, 0, 0}).hangs) << "0 is for ever";
  }
}

TEST(JudgeTest, ASilentRankIsNamedAndEndsTheJob) {
  const auto mine = waits(61);
  const std::vector<RankHeartbeat> table{
      {mine, 9, 0.1}, {works(Phase::kBackward, 1), 7, 55}, {waits(61), 9, 0.4}};
  const Verdict verdict = judge(table, 0, mine, kLimits);
  EXPECT_TRUE(verdict.hangs);
  EXPECT_THAT(verdict.reason, HasSubstr("rank 1: backward"));
  EXPECT_FALSE(judge(table, 0, waits(59), kLimits).hangs) << "it may heal";
  EXPECT_THAT(judge(table, 0, waits(59), kLimits).reason, HasSubstr("rank 1"));
  EXPECT_FALSE(judge(table, 0, mine, {0, 300, 600}).hangs) << "0 is for ever";
}

TEST(JudgeTest, WithoutRankZeroTheOthersAreUnknown) {
  const auto mine = waits(61);
  const std::vector<RankHeartbeat> table{
      {waits(3), 9, 58}, {works(Phase::kBackward, 1), 7, 59}, {mine, 9, 58}};
  EXPECT_THAT(judge(table, 2, mine, kLimits).reason, HasSubstr("rank 0"));
  EXPECT_TRUE(judge(table, 2, mine, kLimits).hangs);
}

TEST(JudgeTest, ALateRankThatWorksIsWaitedForAndNamed) {
  const auto mine = waits(500);
  const std::vector<RankHeartbeat> table{
      {mine, 9, 0.1}, {waits(500), 9, 0.3}, {works(Phase::kRead, 200, 3), 9, 0.4}};
  const Verdict verdict = judge(table, 0, mine, kLimits);
  EXPECT_FALSE(verdict.hangs);
  EXPECT_THAT(verdict.reason, HasSubstr("rank 2: read for 200.0 s, 3 collectives"));
}

TEST(JudgeTest, CollectivesThatDoNotMeetEnd) {
  const auto mine = waits(61);
  EXPECT_TRUE(judge({{mine, 9, 0.1}, {waits(62, 12), 9, 0.4}}, 0, mine, kLimits).hangs);
}

TEST(JudgeTest, ALateRankThatHasJustComeEndsNothing) {
  const auto mine = waits(200);
  const Verdict verdict = judge({{mine, 9, 0.1}, {waits(0.1), 9, 0.4}}, 0, mine, kLimits);
  EXPECT_FALSE(verdict.hangs) << verdict.reason;
}

TEST(ProgressTest, CollectivesAreNotedInOrder) {
  Progress progress;
  const auto watched = watch_communicator(mpi_world(), progress);
  progress.enter(Phase::kEvaluate);
  for (int i = 0; i < 70; ++i) watched->barrier();
  std::int64_t value = 1;
  watched->all_reduce_sum(std::span<std::int64_t>(&value, 1));
  EXPECT_EQ(value, mpi_world().size());
  const auto records = progress.last_collectives();
  ASSERT_EQ(records.size(), 64U);
  EXPECT_EQ(records.back().number, 71);
  EXPECT_STREQ(records.back().kind, "all_reduce");
  EXPECT_EQ(records.back().bytes, 8);
  EXPECT_EQ(records.back().phase, Phase::kEvaluate);
  EXPECT_EQ(records.front().number, 8);
  EXPECT_EQ(progress.snapshot().in_collective, 0);
}

TEST(ProgressTest, WaitingCountsAsReduce) {
  Progress progress;
  {
    const PhaseScope scope(progress, Phase::kForward);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    progress.begin_wait();
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
    EXPECT_GE(progress.snapshot().wait_seconds, 0.039);
    progress.end_wait();
  }
  EXPECT_EQ(progress.snapshot().phase, static_cast<int>(Phase::kStart));
  const auto seconds = progress.seconds();
  EXPECT_GE(seconds[static_cast<std::size_t>(Phase::kForward)], 0.02);
  EXPECT_GE(seconds[static_cast<std::size_t>(Phase::kReduce)], 0.04);
  EXPECT_LT(seconds[static_cast<std::size_t>(Phase::kForward)], 0.04);
}

/// Several trainings in one process: each opens and closes its own channel.
TEST(WatchdogTest, HearsEveryRankAndClosesInOrder) {
  for (int round = 0; round < 3; ++round) {
    Progress progress;
    progress.enter(Phase::kForward);
    progress.step_done(mpi_world().rank() + 100);
    std::mutex mutex;
    std::vector<RankHeartbeat> seen;
    Watchdog watchdog(mpi_world(), progress, kLimits, "unused", [&](const auto& table) {
      const std::lock_guard lock(mutex);
      seen = table;
    });
    const auto all_heard = [&] {
      const std::lock_guard lock(mutex);
      std::size_t heard = 0;
      for (std::size_t r = 0; r < seen.size(); ++r)
        heard += seen[r].beat > 0 && seen[r].progress.step == static_cast<std::int64_t>(r) + 100;
      return heard == static_cast<std::size_t>(mpi_world().size());
    };
    for (int i = 0; i < 100 && !all_heard(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_TRUE(all_heard()) << describe_ranks(seen);
    watchdog.close();
  }
}

}  // namespace
}  // namespace regatta
