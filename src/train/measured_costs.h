// What chunks cost: estimated by the manifest, then measured. Only who computes what depends on it.
#pragma once

#include "comm/communicator.h"
#include "train/plan.h"

#include <cstdint>
#include <vector>

namespace regatta {

/// Every rank notes what its micro-batches took; share() adds the notes up over all ranks, so that
/// all come to the same costs and therefore to the same assignment.
class MeasuredCosts {
 public:
  explicit MeasuredCosts(std::vector<ChunkLoad> loads) : loads_(std::move(loads)) { forget(); }

  /// Loads with the costs of now; for make_plan.
  const std::vector<ChunkLoad>& loads() const { return loads_; }
  /// The same, by chunk number.
  std::vector<double> by_chunk() const;

  /// `micro` took `seconds` on this rank.
  void note(const MicroBatch& micro, double seconds);

  /// Collective. True when costs were replaced by the measured ones: where `steps`, shared out by
  /// the costs of now, would take more than 5 % longer than shared out by those. Chunks without a
  /// note keep their estimate, in the measured unit.
  bool share(const std::vector<Step>& steps, Communicator& world);

 private:
  void forget();

  std::vector<ChunkLoad> loads_;
  std::vector<std::int64_t> nanoseconds_, cost_;  ///< noted, by place in loads_
};

/// Sum over `steps` of the most that a rank has to do, when shared out by `planned` costs and
/// taking `real` ones; both by chunk number.
double makespan(const std::vector<Step>& steps,
                const std::vector<double>& planned,
                const std::vector<double>& real,
                int world_size);

}  // namespace regatta
