#include "bench/step_bench.h"

#include "bench/gemm_rate.h"
#include "bench/memory_bound.h"
#include "bench/rank_times.h"
#include "bench/report_header.h"
#include "bench/time_spread.h"
#include "core/error.h"
#include "nn/model.h"

#include <torch/types.h>

#include <nlohmann/json.hpp>

#include <numeric>

namespace regatta {
namespace {

constexpr std::int64_t kWarmUp = 6;  ///< a captured step is replayed from the sixth on

/// What one step must at least move and multiply, over the whole dataset.
struct StepWork {
  double bytes = 0;
  double flop = 0;
};

StepWork work_of_step(const TrainJob& job,
                      const Manifest& manifest,
                      std::int64_t classes,
                      double parameters) {
  StepWork work;
  const double value = job.runtime.precision == "fp64" ? 8 : 4;
  double nodes = 0, edges = 0;
  for (const ManifestChunk& chunk : manifest.chunks) {
    nodes += static_cast<double>(chunk.nodes);
    edges += static_cast<double>(chunk.edges);
    work.bytes += static_cast<double>(chunk.bytes);
  }
  double input = manifest.feature_kind == "dense" ? static_cast<double>(manifest.feature_width) : 0;
  for (const LayerOptions& layer : job.model.layers) {
    const double width =
        static_cast<double>((layer.width == 0 ? classes : layer.width) * layer.heads);
    const double heads = static_cast<double>(layer.heads);
    // F_c of forward and backward (docs/performance.md): 9 NR + 56 NH + 8 N + 8 E
    work.bytes += 9 * nodes * width * value + 56 * nodes * heads + 8 * nodes + 8 * edges;
    work.flop += 6 * nodes * input * width + edges * (6 * width + 20 * heads) + 10 * nodes * width;
    input = width;
  }
  work.bytes += 7 * parameters * value;  // gradient, two moments, parameter: read and written
  return work;
}

/// Trainings whose epochs alternate; of `against` nothing where it is null.
struct AlternatingTimes {
  std::vector<double> steps, against, ratios;
};

AlternatingTimes time_in_turns(Trainer& trainer,
                               Trainer* against,
                               std::int64_t repeats,
                               Communicator& world) {
  time_steps(trainer, 0, kWarmUp, world);
  if (against != nullptr)
    time_steps(*against, 0, kWarmUp, world);
  AlternatingTimes times;
  for (std::int64_t epoch = kWarmUp; epoch < kWarmUp + repeats; ++epoch) {
    const auto ours = time_steps(trainer, epoch, 1, world);
    times.steps.insert(times.steps.end(), ours.begin(), ours.end());
    if (against == nullptr)
      continue;
    const auto theirs = time_steps(*against, epoch, 1, world);
    times.against.insert(times.against.end(), theirs.begin(), theirs.end());
    times.ratios.push_back(std::accumulate(ours.begin(), ours.end(), 0.0) /
                           std::accumulate(theirs.begin(), theirs.end(), 0.0));
  }
  return times;
}

/// Two trainings of one process share its threads and its instruction set.
void check_against(const RuntimeOptions& job, const RuntimeOptions& against) {
  if (job.threads != against.threads || job.amx != against.amx)
    fail(ExitCode::kUsage,
         "bench step --against: runtime.threads and runtime.amx are the whole process's; time each "
         "setting by a call of its own");
}

}  // namespace

nlohmann::ordered_json bench_step(const TrainJob& job,
                                  const std::optional<TrainJob>& against,
                                  std::shared_ptr<const Dataset> dataset,
                                  const std::string& run_folder,
                                  std::int64_t repeats,
                                  Communicator& world) {
  if (against)
    check_against(job.runtime, against->runtime);
  Trainer trainer(job, dataset, run_folder, world);
  double parameters = 0;
  for (const at::Tensor& tensor : trainer.model().tensors())
    parameters += static_cast<double>(tensor.numel());
  std::unique_ptr<Trainer> other;
  if (against)
    other = std::make_unique<Trainer>(*against, dataset, run_folder, world);
  const AlternatingTimes times = time_in_turns(trainer, other.get(), repeats, world);
  const double copy_rate = measure_copy_rate(256 << 20);
  const auto classes =
      static_cast<std::int64_t>(make_task(job.task, dataset->manifest())->output_width());
  const StepWork work = work_of_step(job, dataset->manifest(), classes, parameters);
  const double gemm = measure_gemm_rate(2048, 512, 512);
  const double steps_an_epoch = static_cast<double>(trainer.plan(0).size());
  const double floor = (work.bytes / copy_rate + work.flop / gemm) / steps_an_epoch / world.size();
  const nlohmann::ordered_json step = time_spread(times.steps);
  nlohmann::ordered_json report = report_header();
  report["threads"] = at::get_num_threads();
  report["world_size"] = world.size();
  report["steps"] = times.steps.size();
  report["replayed_steps"] = trainer.replayed_steps();
  report["step"] = step;
  report["bounds"] = {{"copy_bytes_per_second", copy_rate}, {"gemm_flop_per_second", gemm}};
  report["floor"] = floor;
  report["percent"] = 100 * floor / step["median"].get<double>();
  if (against)
    report["against"] = {{"step", time_spread(times.against)},
                         {"ratio", time_spread(times.ratios)}};
  return report;
}

}  // namespace regatta
