#include "train/checkpoint_writer.h"

#include "core/error.h"
#include "core/log.h"
#include "core/timer.h"

#include <exception>
#include <utility>

namespace regatta {

CheckpointWriter::CheckpointWriter(const std::string& run_folder,
                                   const std::string& resumed_from,
                                   CheckpointPolicy policy)
    : attempt_(run_folder, resumed_from), policy_(policy) {}

CheckpointWriter::~CheckpointWriter() {
  try {
    wait();
  } catch (const std::exception& error) {
    log::error("{}", error.what());
  }
}

void CheckpointWriter::submit(std::int64_t step,
                              Checkpoint checkpoint,
                              std::optional<Checkpoint> best) {
  wait();
  writing_ = std::async(
      std::launch::async,
      [this, step, checkpoint = std::move(checkpoint), best = std::move(best)] {
        // Before the step's, so that a run with a checkpoint has a best model to show.
        if (best)
          attempt_.write_best(step, *best);
        attempt_.write_step(step, checkpoint, policy_.keep);
      });
}

void CheckpointWriter::wait() {
  if (!writing_.valid())
    return;
  const Timer timer;
  try {
    writing_.get();
  } catch (const Error& error) {
    if (policy_.stop_on_error)
      throw;
    log::warn("a checkpoint was not written, training goes on: {}", error.what());
  }
  wait_seconds_ += timer.seconds();
}

}  // namespace regatta
