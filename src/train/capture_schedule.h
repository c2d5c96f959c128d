// When a step is captured, checked and replayed: decisions alone, no device.
#pragma once

#include "nn/model_options.h"
#include "train/plan.h"
#include "train/train_options.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace regatta {

/// What must be the same for a captured step to serve again.
struct StepIdentity {
  /// The chunk on the device. Weak, so that a chunk that is uploaded anew is another one, even at
  /// the same address, and none is kept for comparing.
  std::weak_ptr<const void> chunk;
  double weight = 0;  ///< the loss is divided by it, as a number in a kernel's arguments

  bool same_as(const StepIdentity& other) const;
};

enum class StepMode {
  kPlain,    ///< launch every kernel
  kCapture,  ///< the same, and record the step
  kCheck,    ///< both ways, to compare them
  kReplay,
};

/// Steps 1 to kWarmUp that are alike run plainly, since libraries set themselves up in them; then
/// one is captured, the next one checked, all others replayed. A step that is not alike begins
/// anew.
class CaptureSchedule {
 public:
  static constexpr int kWarmUp = 3;
  static constexpr int kMostChanges = 3;  ///< in a row, then no more is tried

  StepMode next(const StepIdentity& step);
  /// The mode that next() gave was carried out; of kCheck: both ways gave the same bits.
  void captured();
  void checked();
  /// From now on every step is plain.
  void refuse(std::string why);
  bool refused() const { return !refusal_.empty(); }
  const std::string& refusal() const { return refusal_; }

 private:
  enum class Phase { kWarming, kCaptured, kChecked };

  StepIdentity last_;
  Phase phase_ = Phase::kWarming;
  int alike_ = 0;
  int changes_ = 0;
  std::string refusal_;
};

/// Why the steps of a plan cannot be captured for a rank that computes `mine` of them; empty where
/// they can. `mine`: for each step the rank's micro-batches.
std::string capture_obstacle(const TrainJob& job, const std::vector<std::vector<MicroBatch>>& mine);

}  // namespace regatta
