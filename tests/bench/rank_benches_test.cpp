// The reports of `regatta bench reduce` and `regatta bench scaling`, and the model of the latter.
#include "bench/reduce_bench.h"
#include "bench/scaling_bench.h"
#include "bench/scaling_model.h"
#include "bench/step_bench.h"
#include "bench_report.h"
#include "core/error.h"
#include "mpi/mpi_world.h"
#include "train/cora_job.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <vector>

namespace regatta {
namespace {

using test::Json;
using testing::mpi_world;

TEST(ReduceBench, ReportsEveryWayAndSize) {
  ReduceBenchOptions options;
  options.kib = {8, 2048};
  const Json report = bench_reduce(options, 3, mpi_world());
  test::expect_header(report);
  EXPECT_EQ(report.at("world_size").get<int>(), mpi_world().size());
  ASSERT_EQ(report.at("cases").size(), 4U);
  for (const Json& row : report.at("cases")) {
    double least = 1e9;
    for (const auto& [key, value] : row.items()) {
      if (value.is_object())
        test::expect_spread(value);
      if (key.starts_with("mpi"))
        least = std::min(least, value.at("minimum").get<double>());
    }
    EXPECT_EQ(row.contains("mpi_1_mib"), row.at("bytes").get<int>() == 2 << 20);
    EXPECT_EQ(row.at(row.at("best").get<std::string>()).at("minimum").get<double>(), least);
    if (mpi_world().size() == 1) {
      EXPECT_TRUE(row.at("percent").is_null());
    } else {
      EXPECT_DOUBLE_EQ(row.at("percent").get<double>(),
                       100 * least / row.at("regatta").at("minimum").get<double>());
    }
  }
}

TEST(ScalingModel, FindsTheRatesThatMadeThePoints) {
  const ReduceRate made{3e-6, 2e-10};
  std::vector<ReducePoint> points;
  for (const double bytes : {1e3, 1e4, 1e5, 1e6}) points.push_back({bytes, made.seconds(6, bytes)});
  const ReduceRate found = fit_reduce(6, points);
  EXPECT_NEAR(found.latency, made.latency, 1e-12);
  EXPECT_NEAR(found.seconds_per_byte, made.seconds_per_byte, 1e-16);
  EXPECT_DOUBLE_EQ(made.seconds(6, 1e4), 3 * 3e-6 + 2e-10 * (10.0 / 6) * 1e4);
  EXPECT_EQ(made.seconds(1, 1e9), 0);
}

TEST(ScalingModel, RatesAreNeverNegative) {
  const ReduceRate falling = fit_reduce(2, std::vector<ReducePoint>{{1e3, 2e-6}, {1e6, 1e-6}});
  EXPECT_EQ(falling.seconds_per_byte, 0);
  EXPECT_GT(falling.latency, 0);
  const ReduceRate convex = fit_reduce(2, std::vector<ReducePoint>{{1e3, 1e-7}, {1e6, 1e-3}});
  EXPECT_EQ(convex.latency, 0);
  EXPECT_GT(convex.seconds_per_byte, 0);
}

/// Four micro-batches, three of one cost and one of three times it.
TEST(ScalingModel, TheBusiestRankSetsThePace) {
  Step step;
  for (const double cost : {1.0, 1.0, 3.0, 1.0})
    step.micro_batches.push_back({0, 0, 1, true, cost});
  StepCosts costs;
  costs.micro_batches = {{0.1, 0.1, 0.3, 0.1}};
  costs.fixed = 0.05;
  costs.bytes = 1000;
  costs.messages = 2;
  const ReduceRate rate{0.001, 1e-5};
  const auto one = predict_scaling({step}, costs, rate, 1);
  EXPECT_DOUBLE_EQ(one.step, 0.65);
  EXPECT_EQ(one.efficiency, 1);
  const auto two = predict_scaling({step}, costs, rate, 2);
  EXPECT_DOUBLE_EQ(two.compute, 0.3);
  EXPECT_DOUBLE_EQ(two.imbalance, 1);
  EXPECT_DOUBLE_EQ(two.reduce, 2 * 0.001 + 1000 * 1e-5);
  EXPECT_DOUBLE_EQ(two.efficiency, 0.65 / (0.3 + 0.012 + 0.05) / 2);
  const auto four = predict_scaling({step}, costs, rate, 4);
  EXPECT_DOUBLE_EQ(four.imbalance, 2) << "0.3 against a mean of 0.15";
}

/// A dataset that all ranks share, and a folder for a run beside it.
struct CoraBench {
  CoraBench(const std::string& name, std::int64_t chunks) : folder(name, world) {
    testing::make_cora(folder.path() + "/dataset", chunks, world);
    dataset = std::make_shared<const Dataset>(folder.path() + "/dataset", ReadOptions{});
  }
  std::string run() const { return folder.path() + "/run"; }

  Communicator& world = mpi_world();
  testing::SharedFolder folder;
  std::shared_ptr<const Dataset> dataset;
};

TEST(StepBench, RefusesToCompareWhatBelongsToTheProcess) {
  const CoraBench bench("regatta_step_bench", 1);
  const TrainJob job = testing::cora_job(1);
  TrainJob other = job;
  other.runtime.amx = false;
  EXPECT_THROW(bench_step(job, other, bench.dataset, bench.run(), 1, bench.world), Error);
  other = job;
  other.runtime.threads = job.runtime.threads + 1;
  EXPECT_THROW(bench_step(job, other, bench.dataset, bench.run(), 1, bench.world), Error);
}

TEST(ScalingBench, PutsMeasuredAndPredictedSideBySide) {
  const CoraBench bench("regatta_scaling_bench", 4);
  const Json report =
      bench_scaling(testing::cora_job(1), bench.dataset, bench.run(), 3, bench.world);
  test::expect_header(report);
  EXPECT_EQ(report.at("world_size").get<int>(), bench.world.size());
  test::expect_spread(report.at("measured").at("step"));
  for (const char* way : {"alone", "solo"}) test::expect_spread(report.at(way).at("step"));
  const Json& seconds = report.at("measured").at("phases").at("seconds");
  for (const char* phase : {"forward", "backward", "reduce"}) {
    ASSERT_EQ(seconds.at(phase).size(), static_cast<std::size_t>(bench.world.size()));
    for (const double of_rank : seconds.at(phase)) EXPECT_GT(of_rank, 0) << phase;
  }
  const Json& calibration = report.at("calibration");
  EXPECT_EQ(calibration.at("micro_batches").at("count").get<int>(), 4);
  EXPECT_GT(calibration.at("micro_batches").at("least").get<double>(), 0);
  EXPECT_EQ(calibration.at("bytes").get<double>(), 8 * 92373) << "int64 for each parameter";
  EXPECT_EQ(calibration.at("all_reduce").is_null(), bench.world.size() == 1);
  double step = 1e9;
  for (const Json& row : report.at("predicted")) {
    if (row.at("ranks").get<int>() <= 4) {
      EXPECT_LT(row.at("compute").get<double>(), step) << "four micro-batches can be shared";
      step = row.at("compute").get<double>();
    }
    EXPECT_LE(row.at("efficiency").get<double>(), 1);
  }
  const Json& comparison = report.at("comparison");
  EXPECT_EQ(comparison.at("measured_step"), report.at("measured").at("step").at("minimum"));
  EXPECT_GT(comparison.at("percent").get<double>(), 10);
  EXPECT_LT(comparison.at("percent").get<double>(), 1000);
  for (const char* key : {"speedup_over_solo", "limit_of_machine"}) {
    test::expect_spread(comparison.at(key));
    EXPECT_LT(comparison.at(key).at("median").get<double>(), 10 * bench.world.size()) << key;
  }
}

TEST(StepBench, TwoSettingsTakeTurns) {
  const CoraBench bench("regatta_step_bench", 4);
  const TrainJob job = testing::cora_job(1);
  TrainJob wide = job;
  wide.model.layers[0].heads *= 8;  // so much more work that noise cannot hide it
  const Json alone = bench_step(job, std::nullopt, bench.dataset, bench.run(), 5, bench.world);
  EXPECT_FALSE(alone.contains("against"));
  const Json report = bench_step(wide, job, bench.dataset, bench.run(), 5, bench.world);
  test::expect_header(report);
  EXPECT_EQ(report.at("steps").get<int>(), 5);
  test::expect_spread(report.at("against").at("step"));
  test::expect_spread(report.at("against").at("ratio"));
  EXPECT_GT(report.at("against").at("ratio").at("median").get<double>(), 1);
}

}  // namespace
}  // namespace regatta
