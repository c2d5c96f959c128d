// Plans and assignments: pure functions, checked by their properties.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "train/assignment.h"
#include "train/early_stopping.h"
#include "train/plan.h"
#include "train/schedule.h"

namespace regatta {
namespace {

std::vector<ChunkLoad> some_chunks(const std::vector<std::uint8_t>& targets) {
  std::vector<ChunkLoad> chunks;
  for (std::size_t c = 0; c < targets.size(); ++c) {
    const auto n = static_cast<std::int64_t>(targets[c] % 50);
    chunks.push_back({static_cast<std::int64_t>(c), n, static_cast<double>(n), 1.0 + n});
  }
  return chunks;
}

RC_GTEST_PROP(Plan,
              EveryTargetIsUsedExactlyOnceAnEpoch,
              (std::vector<std::uint8_t> targets, std::uint8_t count, std::uint32_t seed)) {
  const auto chunks = some_chunks(targets);
  const std::int64_t n = 1 + count;
  for (const StepOptions& options : {StepOptions{0, 0}, StepOptions{n, 0}, StepOptions{0, n}}) {
    std::map<std::int64_t, std::set<std::int64_t>> used;
    for (const Step& step : make_plan(chunks, options, true, seed, 3)) {
      double weight = 0;
      RC_ASSERT(!step.micro_batches.empty());
      for (const MicroBatch& micro : step.micro_batches) {
        for (std::int64_t i = 0; i < micro.count; ++i) {
          RC_ASSERT(used[micro.chunk].insert(micro.first + i).second);
        }
        weight += static_cast<double>(micro.count);
      }
      RC_ASSERT(weight == step.weight);
      if (options.targets > 0)
        RC_ASSERT(weight <= 1.0 + count);
    }
    for (const ChunkLoad& chunk : chunks) {
      RC_ASSERT(static_cast<std::int64_t>(used[chunk.chunk].size()) == chunk.targets);
    }
  }
}

RC_GTEST_PROP(Plan,
              TargetOrderIsAPermutationThatDependsOnTheEpoch,
              (std::uint8_t n, std::uint32_t seed)) {
  const auto order = target_order(n, seed, 1, 4);
  auto sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < sorted.size(); ++i)
    RC_ASSERT(sorted[i] == static_cast<std::int64_t>(i));
  RC_ASSERT(order == target_order(n, seed, 1, 4));
  if (n > 20)
    RC_ASSERT(order != target_order(n, seed, 2, 4));
}

RC_GTEST_PROP(Assignment,
              SharesEveryMicroBatchOutOnceAndEvenly,
              (std::vector<std::uint8_t> costs, std::uint8_t ranks)) {
  const int world = 1 + ranks % 7;
  Step step;
  double most = 0, total = 0;
  for (const std::uint8_t cost : costs) {
    step.micro_batches.push_back({0, 0, 1, true, static_cast<double>(cost)});
    most = std::max<double>(most, cost);
    total += cost;
  }
  const auto parts = assign(step, world);
  RC_ASSERT(parts.size() == static_cast<std::size_t>(world));
  std::set<std::size_t> seen;
  for (const auto& part : parts) {
    double load = 0;
    RC_ASSERT(std::is_sorted(part.begin(), part.end()));
    for (const std::size_t i : part) {
      RC_ASSERT(seen.insert(i).second);
      load += step.micro_batches[i].cost;
    }
    RC_ASSERT(load <= total / world + most + 1e-9);  // the greedy rule's bound
  }
  RC_ASSERT(seen.size() == costs.size());
}

TEST(Schedule, EachKindGivesItsRates) {
  ScheduleOptions options;
  ScheduleState state;
  EXPECT_DOUBLE_EQ(learning_rate(options, state, 0.1, 50, 100), 0.1);
  options.warmup = 4;
  EXPECT_DOUBLE_EQ(learning_rate(options, state, 0.1, 0, 100), 0.02);
  EXPECT_DOUBLE_EQ(learning_rate(options, state, 0.1, 4, 100), 0.1);
  options = {};
  options.kind = "step";
  options.every = 10;
  EXPECT_DOUBLE_EQ(learning_rate(options, state, 0.1, 25, 100), 0.025);
  options.kind = "cosine";
  options.minimum = 0.01;
  EXPECT_DOUBLE_EQ(learning_rate(options, state, 0.1, 0, 100), 0.1);
  EXPECT_NEAR(learning_rate(options, state, 0.1, 50, 100), 0.055, 1e-12);
  options.kind = "plateau";
  options.patience = 2;
  for (const double loss : {1.0, 1.1, 1.2}) observe_validation(options, state, loss);
  EXPECT_DOUBLE_EQ(learning_rate(options, state, 0.1, 3, 100), 0.05);
}

TEST(EarlyStopping, KeepsTheLastEpochAtWhichBothWereBest) {
  EarlyStopping rule;
  const auto at = [](double loss, double accuracy) { return Metrics{loss, accuracy, 0, 10}; };
  EXPECT_TRUE(rule.observe(at(1.0, 0.5), 1, 1));
  EXPECT_FALSE(
      rule.observe(at(0.9, 0.4), 2, 1));  // loss better, accuracy worse: waits anew, not kept
  EXPECT_EQ(rule.waited, 0);
  EXPECT_TRUE(rule.observe(at(0.8, 0.5), 3, 1));
  EXPECT_FALSE(rule.observe(at(2.0, 0.1), 4, 1));
  EXPECT_FALSE(rule.should_stop(2));
  EXPECT_FALSE(rule.observe(at(2.0, 0.1), 5, 1));
  EXPECT_TRUE(rule.should_stop(2));
  EXPECT_FALSE(rule.should_stop(0));
  EXPECT_EQ(rule.best_epoch, 3);
}

}  // namespace
}  // namespace regatta
