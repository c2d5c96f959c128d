#include "bench/scaling_model.h"

#include "core/error.h"
#include "train/assignment.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace regatta {
namespace {

double rounds(int ranks) {
  return std::bit_width(static_cast<unsigned>(ranks - 1));
}

double moved(int ranks) {
  return 2.0 * (ranks - 1) / ranks;
}

ScalingPrediction step_on(const std::vector<Step>& plan,
                          const StepCosts& costs,
                          const ReduceRate& rate,
                          int ranks) {
  ScalingPrediction result;
  result.ranks = ranks;
  const auto steps = static_cast<double>(plan.size());
  double mean = 0;
  for (std::size_t s = 0; s < plan.size(); ++s) {
    const std::vector<double>& seconds = costs.micro_batches[s];
    double busiest = 0;
    for (const auto& part : assign(plan[s], ranks)) {
      double load = 0;
      for (const std::size_t i : part) load += seconds[i];
      busiest = std::max(busiest, load);
    }
    result.compute += busiest / steps;
    mean += std::accumulate(seconds.begin(), seconds.end(), 0.0) / ranks / steps;
  }
  result.imbalance = mean > 0 ? result.compute / mean : 1;
  const auto messages = static_cast<double>(costs.messages);
  result.reduce = messages * rate.seconds(ranks, costs.bytes / messages);
  result.step = result.compute + result.reduce + costs.fixed;
  return result;
}

}  // namespace

double ReduceRate::seconds(int ranks, double bytes) const {
  return ranks < 2 ? 0 : latency * rounds(ranks) + seconds_per_byte * moved(ranks) * bytes;
}

ReduceRate fit_reduce(int ranks, std::span<const ReducePoint> points) {
  REGATTA_CHECK(ranks > 1 && points.size() > 1);
  // t = a + c b, each equation divided by its t: the small times count as the large ones do.
  double aa = 0, ac = 0, cc = 0, a1 = 0, c1 = 0;
  for (const ReducePoint& point : points) {
    const double a = 1 / point.seconds, c = point.bytes / point.seconds;
    aa += a * a;
    ac += a * c;
    cc += c * c;
    a1 += a;
    c1 += c;
  }
  const double determinant = aa * cc - ac * ac;
  double start = (a1 * cc - c1 * ac) / determinant, slope = (aa * c1 - ac * a1) / determinant;
  if (!(start >= 0)) {
    start = 0;
    slope = c1 / cc;
  } else if (!(slope >= 0)) {
    start = a1 / aa;
    slope = 0;
  }
  return {start / rounds(ranks), slope / moved(ranks)};
}

ScalingPrediction predict_scaling(const std::vector<Step>& plan,
                                  const StepCosts& costs,
                                  const ReduceRate& rate,
                                  int ranks) {
  REGATTA_CHECK(ranks > 0 && costs.messages > 0 && costs.micro_batches.size() == plan.size());
  ScalingPrediction result = step_on(plan, costs, rate, ranks);
  result.speedup = step_on(plan, costs, rate, 1).step / result.step;
  result.efficiency = result.speedup / ranks;
  return result;
}

}  // namespace regatta
