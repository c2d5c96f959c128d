#include "train/batch_pipeline.h"

#include "core/error.h"
#include "core/timer.h"
#include "nn/batch_placement.h"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

namespace regatta {
namespace {

struct Uploaded {
  std::shared_ptr<PreparedChunk> chunk;
  DeviceCopy copy;
  std::exception_ptr error;
};

Uploaded upload(const BatchPipeline::Source& source, CopyStream& copies) {
  Uploaded item;
  try {
    item.chunk = source();
    const BatchArrays arrays{&item.chunk->batch, item.chunk->targets};
    const at::Tensor staged = copies.staging(packed_bytes(arrays));
    pack_batch(arrays, staged);
    item.copy = copies.start(staged);
    point_batch_into(arrays, item.copy.block);
  } catch (...) {
    item.error = std::current_exception();
  }
  return item;
}

}  // namespace

struct BatchPipeline::State {
  Source source;
  std::size_t count = 0, taken = 0;
  std::shared_ptr<CopyStream> copies;
  std::mutex mutex;
  std::condition_variable_any changed;
  std::optional<Uploaded> ready;
  std::jthread uploader;  // last, so that it stops before anything it uses goes

  void run(const std::stop_token& stop) {
    for (std::size_t i = 0; i < count; ++i) {
      {
        std::unique_lock lock(mutex);
        if (!changed.wait(lock, stop, [this] { return !ready.has_value(); }))
          return;
      }
      Uploaded item = upload(source, *copies);
      const bool failed = item.error != nullptr;
      {
        const std::scoped_lock lock(mutex);
        ready = std::move(item);
      }
      changed.notify_all();
      if (failed)
        return;
    }
  }
};

BatchPipeline::BatchPipeline(Source source, std::size_t count, std::shared_ptr<CopyStream> copies)
    : state_(std::make_unique<State>()) {
  state_->source = std::move(source);
  state_->count = count;
  state_->copies = std::move(copies);
  state_->uploader =
      std::jthread([state = state_.get()](const std::stop_token& stop) { state->run(stop); });
}

BatchPipeline::~BatchPipeline() = default;

std::shared_ptr<const PreparedChunk> BatchPipeline::next() {
  State& state = *state_;
  REGATTA_CHECK(state.taken < state.count, "all {} chunks were delivered", state.count);
  const Timer timer;
  std::unique_lock lock(state.mutex);
  state.changed.wait(lock, [&] { return state.ready.has_value(); });
  stall_seconds_ += timer.seconds();
  if (state.ready->error)
    std::rethrow_exception(state.ready->error);
  const Uploaded item = std::move(*state.ready);
  state.ready.reset();
  ++state.taken;
  lock.unlock();
  state.changed.notify_all();
  state.copies->order_before_compute(item.copy);
  return item.chunk;
}

}  // namespace regatta
