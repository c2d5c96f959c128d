// Plan: (what chunks hold, settings, seed, epoch) -> steps. A pure function: no rank in it.
#pragma once

#include <cstdint>
#include <vector>

#include "train/train_options.h"

namespace regatta {

/// What the plan needs to know of a chunk, from the manifest alone.
struct ChunkLoad {
  std::int64_t chunk = 0;
  std::int64_t targets = 0;  ///< of the split that is trained on
  double weight = 0;         ///< sum of their loss weights
  double cost = 0;           ///< estimate of its work, in rows and edges
};

/// A whole chunk, or targets [first, first + count) of it in the order permutation(seed, epoch,
/// chunk).
struct MicroBatch {
  std::int64_t chunk = 0;
  std::int64_t first = 0;
  std::int64_t count = 0;
  bool whole = true;
  double cost = 0;
};

/// Micro-batches whose gradients make one optimiser step. `weight` is the sum of the loss weights
/// of all its targets; negative when only the ranks that hold the targets can tell (ranges with
/// class weights).
struct Step {
  std::vector<MicroBatch> micro_batches;
  double weight = 0;
};

/// Steps of one epoch. Chunks without targets take no part. With `uniform_weights` the weight of a
/// range is its count.
std::vector<Step> make_plan(const std::vector<ChunkLoad>& chunks,
                            const StepOptions& options,
                            bool uniform_weights,
                            std::uint64_t seed,
                            std::uint64_t epoch);

/// permutation(seed, epoch, chunk) of 0..count-1 (Fisher-Yates over a keyed stream).
std::vector<std::int64_t> target_order(std::int64_t count,
                                       std::uint64_t seed,
                                       std::uint64_t epoch,
                                       std::int64_t chunk);

}  // namespace regatta
