// BatchPipeline: chunks are read, prepared and uploaded on a thread of their own, one ahead of the
// one that is computed.
#pragma once

#include "tasks/task.h"
#include "train/copy_stream.h"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>

namespace regatta {

/// A chunk ready for the model, with its targets by split (index = Split).
struct PreparedChunk {
  std::shared_ptr<const GraphChunk> chunk;
  Batch batch;
  std::array<TargetRows, 4> targets;
};

/// Double buffering: while chunk k is computed, k+1 is uploaded, and k+2 is not begun before k+1
/// has been taken. An error takes the place of its chunk and is rethrown there. Not copyable.
class BatchPipeline {
 public:
  /// Next chunk in host memory; called `count` times, on the pipeline's thread.
  using Source = std::function<std::shared_ptr<PreparedChunk>()>;

  BatchPipeline(Source source, std::size_t count, std::shared_ptr<CopyStream> copies);
  ~BatchPipeline();
  BatchPipeline(const BatchPipeline&) = delete;
  BatchPipeline& operator=(const BatchPipeline&) = delete;

  /// The next chunk, on the device: what the caller computes from now on comes after its upload.
  /// The caller has let go of the chunk before the last one, or device memory holds three.
  std::shared_ptr<const PreparedChunk> next();
  double stall_seconds() const { return stall_seconds_; }  ///< waited in next()

 private:
  struct State;
  std::unique_ptr<State> state_;
  double stall_seconds_ = 0;
};

}  // namespace regatta
