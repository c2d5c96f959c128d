#include "train/dry_run.h"

#include "core/process_memory.h"
#include "nn/model.h"
#include "tasks/task.h"
#include "train/assignment.h"
#include "train/memory_model.h"
#include "train/model_checkpoint.h"
#include "train/trainer.h"

#include <torch/types.h>

#include <fmt/format.h>

#include <algorithm>

namespace regatta {
namespace {

constexpr double kMebibyte = 1 << 20;

std::string step_text(const StepOptions& step) {
  if (step.full())
    return "full";
  return step.chunks > 0 ? fmt::format("{} chunks", step.chunks)
                         : fmt::format("{} targets", step.targets);
}

double rank_bytes(const std::vector<std::int64_t>& chunks,
                  const Manifest& manifest,
                  const MemoryModel& memory,
                  double cache_limit) {
  double cached = 0, activations = 0;
  for (const std::int64_t c : chunks) {
    const ManifestChunk& chunk = manifest.chunks[static_cast<std::size_t>(c)];
    cached += memory.chunk_bytes(chunk);
    activations = std::max(activations, memory.activation_bytes(chunk));
  }
  return std::min(cached, cache_limit) + activations + memory.parameter_bytes();
}

std::string describe_ranks(const std::vector<Step>& steps,
                           const Manifest& manifest,
                           const MemoryModel& memory,
                           double cache_limit,
                           int world_size) {
  const double resident = static_cast<double>(resident_mib()) * kMebibyte;
  std::vector<std::vector<std::int64_t>> chunks(static_cast<std::size_t>(world_size));
  std::vector<double> cost(chunks.size(), 0);
  std::vector<std::size_t> micro(chunks.size(), 0);
  for (const Step& step : steps) {
    const auto parts = assign(step, world_size);
    for (std::size_t r = 0; r < parts.size(); ++r) {
      for (const std::size_t i : parts[r]) {
        chunks[r].push_back(step.micro_batches[i].chunk);
        cost[r] += step.micro_batches[i].cost;
        ++micro[r];
      }
    }
  }
  double total = 0;
  for (const double c : cost) total += c;
  std::string text;
  for (std::size_t r = 0; r < chunks.size(); ++r) {
    std::sort(chunks[r].begin(), chunks[r].end());
    chunks[r].erase(std::unique(chunks[r].begin(), chunks[r].end()), chunks[r].end());
    text += fmt::format(
        "rank {}: {} micro-batches over {} chunks, {:.0f} % of the work, about {:.0f} MiB with the "
        "program{}\n",
        r,
        micro[r],
        chunks[r].size(),
        total > 0 ? 100 * cost[r] / total : 0,
        (rank_bytes(chunks[r], manifest, memory, cache_limit) + resident) / kMebibyte,
        micro[r] == 0 ? "  <- idle" : "");
  }
  return text;
}

}  // namespace

std::string describe_dry_run(const TrainJob& job, const Manifest& manifest, int world_size) {
  const auto task = make_task(job.task, manifest);
  const Model model(
      job.model,
      model_shape(
          manifest, task->output_width(), static_cast<std::uint64_t>(job.train.seed), at::kFloat));
  const MemoryModel memory = memory_model(job, manifest, model, task->output_width());
  const auto steps = make_plan(chunk_loads(manifest, *task, job.task.target),
                               job.train.step,
                               job.task.class_weights == "none",
                               static_cast<std::uint64_t>(job.train.seed),
                               0);
  std::string text = fmt::format(
      "dataset: {} nodes, {} edges, {} chunks, halo {} ({} hops), replication {:.2f}\n"
      "model: {} layers, {} parameters\n"
      "plan: {} steps an epoch, {} epochs at most, step size {}\n",
      manifest.nodes,
      manifest.edges,
      manifest.chunks.size(),
      manifest.halo_mode,
      manifest.halo_hops,
      manifest.replication,
      model.num_layers(),
      static_cast<std::int64_t>(memory.parameters),
      steps.size(),
      job.train.epochs,
      step_text(job.train.step));
  const std::int64_t cache = chunk_cache_bytes(job.runtime, manifest, memory, resident_mib());
  text += describe_ranks(steps, manifest, memory, static_cast<double>(cache), world_size);
  std::size_t most = 0;
  for (const Step& step : steps) most = std::max(most, step.micro_batches.size());
  if (static_cast<std::size_t>(world_size) > most) {
    text += fmt::format(
        "{} ranks would be idle: a step has at most {} micro-batches; preprocess into more chunks "
        "or "
        "start fewer ranks\n",
        static_cast<std::size_t>(world_size) - most,
        most);
  }
  text.pop_back();
  return text;
}

}  // namespace regatta
