#include "train/plan.h"

#include <algorithm>
#include <numeric>

#include "core/rng.h"

namespace regatta {
namespace {

std::vector<std::int64_t> shuffled(std::int64_t count, RandomKey key) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  RandomStream stream(key);
  for (std::int64_t i = count - 1; i > 0; --i) {
    const auto j = static_cast<std::int64_t>(stream.next_below(static_cast<std::uint64_t>(i + 1)));
    std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(j)]);
  }
  return order;
}

std::vector<ChunkLoad> in_epoch_order(const std::vector<ChunkLoad>& chunks,
                                      std::uint64_t seed,
                                      std::uint64_t epoch) {
  std::vector<ChunkLoad> ordered;
  const auto key = make_random_key(seed, RandomPurpose::kChunkOrder, epoch, 0);
  for (const std::int64_t i : shuffled(static_cast<std::int64_t>(chunks.size()), key)) {
    ordered.push_back(chunks[static_cast<std::size_t>(i)]);
  }
  return ordered;
}

void add_whole(Step& step, const ChunkLoad& chunk) {
  step.micro_batches.push_back({chunk.chunk, 0, chunk.targets, true, chunk.cost});
  step.weight += chunk.weight;
}

std::vector<Step> steps_of_chunks(const std::vector<ChunkLoad>& chunks, std::size_t per_step) {
  std::vector<Step> steps;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (i % per_step == 0)
      steps.emplace_back();
    add_whole(steps.back(), chunks[i]);
  }
  return steps;
}

std::vector<Step> steps_of_targets(const std::vector<ChunkLoad>& chunks,
                                   std::int64_t per_step,
                                   bool uniform_weights) {
  std::vector<Step> steps;
  std::int64_t room = 0;
  for (const ChunkLoad& chunk : chunks) {
    for (std::int64_t first = 0; first < chunk.targets;) {
      if (room == 0) {
        steps.emplace_back();
        room = per_step;
      }
      const std::int64_t count = std::min(room, chunk.targets - first);
      const double share = static_cast<double>(count) / static_cast<double>(chunk.targets);
      Step& step = steps.back();
      step.micro_batches.push_back({chunk.chunk, first, count, false, chunk.cost * share});
      step.weight = uniform_weights ? step.weight + static_cast<double>(count) : -1;
      first += count;
      room -= count;
    }
  }
  return steps;
}

}  // namespace

std::vector<std::int64_t> target_order(std::int64_t count,
                                       std::uint64_t seed,
                                       std::uint64_t epoch,
                                       std::int64_t chunk) {
  return shuffled(
      count,
      make_random_key(seed, RandomPurpose::kTargetOrder, epoch, static_cast<std::uint64_t>(chunk)));
}

std::vector<Step> make_plan(const std::vector<ChunkLoad>& all,
                            const StepOptions& options,
                            bool uniform_weights,
                            std::uint64_t seed,
                            std::uint64_t epoch) {
  std::vector<ChunkLoad> chunks;
  std::copy_if(all.begin(), all.end(), std::back_inserter(chunks), [](const ChunkLoad& chunk) {
    return chunk.targets > 0;
  });
  if (options.full())
    return steps_of_chunks(chunks, std::max<std::size_t>(1, chunks.size()));
  chunks = in_epoch_order(chunks, seed, epoch);
  if (options.chunks > 0)
    return steps_of_chunks(chunks, static_cast<std::size_t>(options.chunks));
  return steps_of_targets(chunks, options.targets, uniform_weights);
}

}  // namespace regatta
