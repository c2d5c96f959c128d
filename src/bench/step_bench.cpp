#include "bench/step_bench.h"

#include "bench/gemm_rate.h"
#include "bench/layer_case.h"
#include "bench/memory_bound.h"
#include "bench/peak_memory.h"
#include "bench/rank_times.h"
#include "bench/report_header.h"
#include "bench/step_floor.h"
#include "bench/time_spread.h"
#include "core/error.h"
#include "nn/model.h"

#include <torch/types.h>

#include <nlohmann/json.hpp>

#include <numeric>

namespace regatta {
namespace {

using nlohmann::ordered_json;

constexpr std::int64_t kWarmUp = 6;  ///< a captured step is replayed from the sixth on

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

/// Each number as it is on the rank where it is largest.
ordered_json most_of_ranks(ordered_json memory, Communicator& world) {
  for (auto& bytes : memory) bytes = world.all_reduce_max(bytes.get<std::int64_t>());
  return memory;
}

StepShape shape_of_step(const TrainJob& job, Trainer& trainer, const Dataset& dataset, int ranks) {
  const Manifest& manifest = dataset.manifest();
  const std::vector<Step> plan = trainer.plan(0);
  StepShape shape;
  shape.layers = layer_extents(dataset, plan, job.model.layers.size());
  shape.sparse = manifest.feature_kind == "sparse";
  shape.edge_types = static_cast<double>(edge_type_count(manifest));
  shape.classes = static_cast<double>(make_task(job.task, manifest)->output_width());
  for (const at::Tensor& tensor : trainer.model().tensors())
    shape.parameters += static_cast<double>(tensor.numel());
  shape.shares = static_cast<double>(plan.size()) * ranks;
  return shape;
}

/// Adds bounds, floor, floor_parts and percent; the last three are null where the formulas or the
/// processor's rates are not those of the step.
void add_floor(const TrainJob& job,
               Trainer& trainer,
               const Dataset& dataset,
               int ranks,
               ordered_json& report) {
  const StepRates rates{measure_copy_rate(256 << 20),
                        measure_gemm_rate(2048, 512, 512, storage_type(job.runtime.precision))};
  report["bounds"] = {{"copy_bytes_per_second", rates.copy},
                      {"gemm_flop_per_second", rates.product}};
  report["floor"] = report["floor_parts"] = report["percent"] = ordered_json();
  if (!has_step_floor(job) || !trainer.model().tensors().front().device().is_cpu())
    return;
  const StepFloor floor = step_floor(job, shape_of_step(job, trainer, dataset, ranks), rates);
  report["floor"] = floor.total();
  report["floor_parts"] = {
      {"attention", floor.attention}, {"products", floor.products}, {"optimiser", floor.optimiser}};
  report["percent"] = 100 * floor.total() / report["step"]["median"].get<double>();
}

}  // namespace

ordered_json bench_step(const TrainJob& job,
                        const std::optional<TrainJob>& against,
                        std::shared_ptr<const Dataset> dataset,
                        const std::string& run_folder,
                        std::int64_t repeats,
                        Communicator& world) {
  if (against)
    check_against(job.runtime, against->runtime);
  Trainer trainer(job, dataset, run_folder, world);
  std::unique_ptr<Trainer> other;
  if (against)
    other = std::make_unique<Trainer>(*against, dataset, run_folder, world);
  const PeakMemory memory;
  const AlternatingTimes times = time_in_turns(trainer, other.get(), repeats, world);
  const ordered_json resident = most_of_ranks(memory.report(), world);
  ordered_json report = report_header();
  report["threads"] = at::get_num_threads();
  report["world_size"] = world.size();
  report["steps"] = times.steps.size();
  report["replayed_steps"] = trainer.replayed_steps();
  report["step"] = time_spread(times.steps);
  add_floor(job, trainer, *dataset, world.size(), report);
  report["memory"] = resident;
  if (against)
    report["against"] = {{"step", time_spread(times.against)},
                         {"ratio", time_spread(times.ratios)}};
  return report;
}

}  // namespace regatta
