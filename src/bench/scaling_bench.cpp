#include "bench/scaling_bench.h"

#include "bench/rank_times.h"
#include "bench/report_header.h"
#include "bench/scaling_model.h"
#include "bench/time_spread.h"
#include "core/timer.h"
#include "nn/model.h"
#include "train/phase_report.h"

#include <torch/types.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <set>

namespace regatta {
namespace {

using nlohmann::ordered_json;

constexpr std::int64_t kWarmUp = 3;  ///< epochs; the first step measures its scale, see the reducer
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Of each step of epoch 0, the least seconds of each of its micro-batches; the last row holds the
/// least of a step without any.
std::vector<std::vector<double>> time_micro_batches(Trainer& trainer, std::int64_t repeats) {
  const auto plan = trainer.plan(0);
  std::vector<Step> singles;
  std::vector<std::vector<double>> least;
  for (const Step& step : plan) {
    for (const MicroBatch& micro : step.micro_batches) singles.push_back({{micro}, step.weight});
    least.emplace_back(step.micro_batches.size(), kInfinity);
  }
  least.push_back({kInfinity});
  for (std::int64_t i = 0; i < kWarmUp + repeats; ++i) {
    trainer.announce_epoch(singles);
    std::size_t next = 0;
    for (auto& of_step : least) {
      for (double& seconds : of_step) {
        const Timer timer;
        trainer.gradients_of_step(next < singles.size() ? singles[next] : Step{{}, 1.0}, 0);
        ++next;
        if (i >= kWarmUp)
          seconds = std::min(seconds, timer.seconds());
      }
    }
  }
  return least;
}

std::vector<ReducePoint> time_all_reduce(ReduceType type, Communicator& world) {
  std::vector<ReducePoint> points;
  for (std::int64_t bytes = 4 << 10; bytes <= 4 << 20; bytes *= 4) {
    std::vector<std::byte> data(static_cast<std::size_t>(bytes));
    double least = kInfinity;
    for (int i = 0; i < 30; ++i) {
      world.barrier();
      const Timer timer;
      world.all_reduce(
          data.data(), bytes / (type == ReduceType::kFloat32 ? 4 : 8), type, ReduceOp::kSum);
      least = std::min(least, seconds_of_slowest_rank(timer.seconds(), world));
    }
    points.push_back({static_cast<double>(bytes), least});
  }
  return points;
}

/// Costs as they are on the slowest rank, so that all ranks predict the same.
StepCosts costs_of_job(const TrainJob& job,
                       Trainer& alone,
                       const std::vector<double>& epochs,
                       std::int64_t repeats,
                       Communicator& world) {
  StepCosts costs;
  costs.micro_batches = time_micro_batches(alone, repeats);
  for (auto& step : costs.micro_batches)
    for (double& seconds : step) seconds = seconds_of_slowest_rank(seconds, world);
  const double empty = costs.micro_batches.back()[0];
  costs.micro_batches.pop_back();
  double compute = 0;
  for (auto& step : costs.micro_batches) {
    for (double& seconds : step) {
      seconds = std::max(0.0, seconds - empty);
      compute += seconds;
    }
  }
  const auto steps = static_cast<double>(costs.micro_batches.size());
  const double step =
      seconds_of_slowest_rank(*std::min_element(epochs.begin(), epochs.end()), world);
  costs.fixed = std::max(empty, step - compute / steps);
  const bool reproducible = job.train.reduction == "reproducible";
  for (const at::Tensor& tensor : alone.model().tensors())
    costs.bytes += static_cast<double>(tensor.numel()) *
                   static_cast<double>(reproducible ? 8 : tensor.element_size());
  costs.messages = 2 + static_cast<std::int64_t>(costs.bytes /
                                                 static_cast<double>(job.runtime.bucket_kib << 10));
  return costs;
}

ordered_json prediction_to_json(const ScalingPrediction& prediction) {
  return {{"ranks", prediction.ranks},
          {"step", prediction.step},
          {"compute", prediction.compute},
          {"reduce", prediction.reduce},
          {"imbalance", prediction.imbalance},
          {"speedup", prediction.speedup},
          {"efficiency", prediction.efficiency}};
}

ordered_json calibration_to_json(const StepCosts& costs,
                                 const std::vector<ReducePoint>& points,
                                 const ReduceRate& rate) {
  std::vector<double> all;
  for (const auto& step : costs.micro_batches) all.insert(all.end(), step.begin(), step.end());
  ordered_json report;
  report["micro_batches"] = {{"count", all.size()},
                             {"sum", std::accumulate(all.begin(), all.end(), 0.0)},
                             {"least", *std::min_element(all.begin(), all.end())},
                             {"most", *std::max_element(all.begin(), all.end())}};
  report["fixed"] = costs.fixed;
  report["bytes"] = costs.bytes;
  report["messages"] = costs.messages;
  report["all_reduce"] = nullptr;
  if (points.empty())
    return report;
  ordered_json rows = ordered_json::array();
  for (const ReducePoint& point : points)
    rows.push_back({{"bytes", point.bytes}, {"seconds", point.seconds}});
  report["all_reduce"] = {{"points", rows},
                          {"latency", rate.latency},
                          {"bytes_per_second",
                           rate.seconds_per_byte > 0 ? ordered_json(1 / rate.seconds_per_byte)
                                                     : ordered_json(nullptr)}};
  return report;
}

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

/// Steps of all ranks together, of every rank for itself with the others beside it, and of rank 0
/// while the others wait; in turns, an epoch each, so that all see the same machine.
struct Rounds {
  std::vector<double> together, alone, solo;
  std::vector<double> speedup;           ///< an epoch solo over the same together
  std::vector<double> limit;             ///< what ranks that never meet would gain, likewise
  std::array<double, kPhases> phases{};  ///< seconds of this rank in the steps together
};

Rounds time_rounds(Trainer& together,
                   Trainer& alone,
                   std::int64_t repeats,
                   Communicator& world,
                   Communicator& self) {
  Rounds rounds;
  for (std::int64_t epoch = 0; epoch < repeats; ++epoch) {
    const auto before = together.phase_seconds();
    const auto of_all = time_steps(together, epoch, 1, world);
    const auto after = together.phase_seconds();
    for (std::size_t p = 0; p < kPhases; ++p) rounds.phases[p] += after[p] - before[p];
    const auto beside = time_steps(alone, epoch, 1, world);
    std::vector<double> solo(of_all.size(), 0.0);
    world.barrier();
    if (world.rank() == 0)
      solo = time_steps(alone, epoch, 1, self);
    world.broadcast(solo.data(), static_cast<std::int64_t>(solo.size() * sizeof(double)), 0);
    rounds.together.insert(rounds.together.end(), of_all.begin(), of_all.end());
    rounds.alone.insert(rounds.alone.end(), beside.begin(), beside.end());
    rounds.solo.insert(rounds.solo.end(), solo.begin(), solo.end());
    const double slowest = seconds_of_slowest_rank(sum(beside), world);
    rounds.speedup.push_back(sum(solo) / seconds_of_slowest_rank(sum(of_all), world));
    rounds.limit.push_back(world.size() * sum(solo) / slowest);
  }
  return rounds;
}

}  // namespace

ordered_json bench_scaling(const TrainJob& job,
                           std::shared_ptr<const Dataset> dataset,
                           const std::string& run_folder,
                           std::int64_t repeats,
                           Communicator& world) {
  ordered_json report = report_header();
  Trainer together(job, dataset, run_folder, world);
  time_steps(together, 0, kWarmUp, world);
  const auto self = make_self_communicator();
  Trainer alone(job, dataset, run_folder, *self);
  time_steps(alone, 0, kWarmUp, world);
  const Rounds rounds = time_rounds(together, alone, repeats, world, *self);
  const auto phases = phase_report(gather_phase_seconds(rounds.phases, world));
  const StepCosts costs = costs_of_job(job, alone, rounds.alone, repeats, world);
  std::vector<ReducePoint> points;
  ReduceRate rate;
  if (world.size() > 1) {
    points = time_all_reduce(
        job.train.reduction == "reproducible" ? ReduceType::kInt64 : ReduceType::kFloat32, world);
    rate = fit_reduce(world.size(), points);
  }

  report["threads"] = at::get_num_threads();
  report["world_size"] = world.size();
  report["measured"] = {{"step", time_spread(rounds.together)}, {"phases", phases}};
  report["calibration"] = calibration_to_json(costs, points, rate);
  report["alone"] = {{"step", time_spread(rounds.alone)}};
  report["solo"] = {{"step", time_spread(rounds.solo)}};
  const auto plan = alone.plan(0);
  std::set<int> ranks = {1, 2, 4, 8, 16, 32, 64, world.size()};
  report["predicted"] = ordered_json::array();
  for (const int n : ranks)
    report["predicted"].push_back(prediction_to_json(predict_scaling(plan, costs, rate, n)));
  const ScalingPrediction here = predict_scaling(plan, costs, rate, world.size());
  const double measured = *std::min_element(rounds.together.begin(), rounds.together.end());
  report["comparison"] = {
      {"measured_step", measured},
      {"predicted_step", here.step},
      {"percent", 100 * here.step / measured},
      {"measured_speedup", *std::min_element(rounds.alone.begin(), rounds.alone.end()) / measured},
      {"predicted_speedup", here.speedup},
      {"speedup_over_solo", time_spread(rounds.speedup)},
      {"limit_of_machine", time_spread(rounds.limit)}};
  return report;
}

}  // namespace regatta
