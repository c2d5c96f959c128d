#include "train/evaluator.h"

#include "nn/model.h"
#include "train/assignment.h"

#include <torch/types.h>

#include <cstring>
#include <map>

namespace regatta {
namespace {

/// What a rank tells the others of one chunk and split.
struct ChunkLoss {
  std::int64_t chunk;
  std::int64_t split;
  double loss_sum;
  double weight_sum;
};

using SplitCounts = std::array<MetricCounts, 4>;

void merge_confusions(SplitCounts& counts, Communicator& world) {
  std::vector<std::int64_t> all;
  for (const MetricCounts& part : counts) {
    all.insert(all.end(), part.confusion.begin(), part.confusion.end());
  }
  world.all_reduce_sum(std::span<std::int64_t>(all));
  auto from = all.begin();
  for (MetricCounts& part : counts) {
    const auto size = static_cast<std::ptrdiff_t>(part.confusion.size());
    std::copy(from, from + size, part.confusion.begin());
    from += size;
  }
}

void merge_losses(SplitCounts& counts, const std::vector<ChunkLoss>& mine, Communicator& world) {
  const auto bytes = std::as_bytes(std::span<const ChunkLoss>(mine));
  std::map<std::pair<std::int64_t, std::int64_t>, ChunkLoss> ordered;
  for (const auto& part : world.all_gather(bytes)) {
    for (std::size_t at = 0; at + sizeof(ChunkLoss) <= part.size(); at += sizeof(ChunkLoss)) {
      ChunkLoss loss{};
      std::memcpy(&loss, part.data() + at, sizeof(ChunkLoss));
      ordered[{loss.chunk, loss.split}] = loss;
    }
  }
  for (const auto& [key, loss] : ordered) {
    MetricCounts& total = counts[static_cast<std::size_t>(loss.split)];
    total.loss_sum += loss.loss_sum;
    total.weight_sum += loss.weight_sum;
  }
}

}  // namespace

double chunk_cost(const ManifestChunk& chunk) {
  return static_cast<double>(chunk.edges) + 4.0 * static_cast<double>(chunk.nodes);
}

std::vector<double> chunk_costs(const Manifest& manifest) {
  std::vector<double> costs;
  for (const ManifestChunk& chunk : manifest.chunks) costs.push_back(chunk_cost(chunk));
  return costs;
}

std::vector<std::int64_t> chunks_of_rank(const std::vector<double>& costs, Communicator& world) {
  Step all;
  for (std::size_t c = 0; c < costs.size(); ++c)
    all.micro_batches.push_back({static_cast<std::int64_t>(c), 0, 0, true, costs[c]});
  const auto parts = assign(all, world.size());
  std::vector<std::int64_t> mine;
  for (const std::size_t i : parts[static_cast<std::size_t>(world.rank())]) {
    mine.push_back(static_cast<std::int64_t>(i));
  }
  return mine;
}

SplitMetrics evaluate_model(Model& model,
                            const Task& task,
                            BatchStore& store,
                            const std::vector<Split>& splits,
                            const std::vector<double>& costs,
                            Communicator& world) {
  const torch::NoGradGuard no_grad;
  SplitCounts counts;
  counts.fill(MetricCounts(task.output_width()));
  std::vector<ChunkLoss> losses;

  const std::vector<std::int64_t> mine = chunks_of_rank(costs, world);
  store.begin(mine);
  for (const std::int64_t chunk : mine) {
    const auto prepared = store.next();
    PassContext pass;
    pass.batch = &prepared->batch;
    const at::Tensor logits = forward_all(model, pass);
    for (const Split split : splits) {
      const auto s = static_cast<std::size_t>(split);
      MetricCounts part(task.output_width());
      task.count(logits, prepared->targets[s], part);
      losses.push_back({chunk, static_cast<std::int64_t>(split), part.loss_sum, part.weight_sum});
      part.loss_sum = part.weight_sum = 0;
      counts[s].add(part);
    }
  }
  merge_confusions(counts, world);
  merge_losses(counts, losses, world);

  SplitMetrics metrics;
  for (std::size_t s = 0; s < metrics.size(); ++s) metrics[s] = counts[s].metrics();
  return metrics;
}

}  // namespace regatta
