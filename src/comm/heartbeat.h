// How ranks tell each other, beside the training's own messages, that they live and what they do.
#pragma once

#include "comm/progress.h"

#include <cstdint>
#include <vector>

namespace regatta {

struct RankHeartbeat {
  ProgressSnapshot progress;
  std::int64_t beat = 0;      ///< counts the rank's messages; 0: none has arrived
  double silent_seconds = 0;  ///< since one arrived, by the clock of the rank that says so
};

/// Rank 0 hears every rank and tells all of them what it heard. One thread uses it, another than
/// the one that trains.
class HeartbeatChannel {
 public:
  virtual ~HeartbeatChannel() = default;
  /// Sends this rank's state, takes what has arrived; does not wait. By rank.
  virtual std::vector<RankHeartbeat> exchange(const ProgressSnapshot& mine) = 0;
  /// Ends the exchange in order, with all ranks; gives up on ranks that are silent for 5 s.
  virtual void close() = 0;
};

}  // namespace regatta
