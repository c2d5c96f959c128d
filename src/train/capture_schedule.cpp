#include "train/capture_schedule.h"

#include <fmt/format.h>

#include <utility>

namespace regatta {

bool StepIdentity::same_as(const StepIdentity& other) const {
  const bool same_chunk = !chunk.owner_before(other.chunk) && !other.chunk.owner_before(chunk);
  return same_chunk && weight == other.weight;
}

StepMode CaptureSchedule::next(const StepIdentity& step) {
  if (refused())
    return StepMode::kPlain;
  if (alike_ > 0 && step.same_as(last_)) {
    ++alike_;
    changes_ = 0;
  } else {
    if (alike_ > 0 && ++changes_ == kMostChanges) {
      refuse(
          "steps differ from one to the next: a larger runtime.chunk_cache_mib keeps the chunk on "
          "the device");
      return StepMode::kPlain;
    }
    phase_ = Phase::kWarming;
    alike_ = 1;
  }
  last_ = step;
  switch (phase_) {
    case Phase::kWarming:
      return alike_ <= kWarmUp ? StepMode::kPlain : StepMode::kCapture;
    case Phase::kCaptured:
      return StepMode::kCheck;
    case Phase::kChecked:
      break;
  }
  return StepMode::kReplay;
}

void CaptureSchedule::captured() {
  phase_ = Phase::kCaptured;
}

void CaptureSchedule::checked() {
  phase_ = Phase::kChecked;
}

void CaptureSchedule::refuse(std::string why) {
  refusal_ = std::move(why);
}

std::string capture_obstacle(const TrainJob& job,
                             const std::vector<std::vector<MicroBatch>>& mine) {
  if (job.runtime.cuda_graph == "off")
    return "runtime.cuda_graph is off";
  if (job.task.class_weights != "none")
    return "task.class_weights are copied to the device in each step";
  for (std::size_t l = 0; l < job.model.layers.size(); ++l) {
    if (job.model.layers[l].relations != "none")
      return fmt::format("model.layers.{}.relations: sums over edge types are sorted by LibTorch",
                         l);
  }
  if (mine.size() != 1)
    return fmt::format("an epoch has {} steps of different data", mine.size());
  if (mine.front().size() != 1)
    return fmt::format("a step has {} micro-batches on this rank", mine.front().size());
  if (!mine.front().front().whole)
    return "a step covers a part of a chunk";
  return "";
}

}  // namespace regatta
