// One thread reads ahead; the consumer takes chunks in order.
#include "data/prefetcher.h"

#include "core/error.h"
#include "core/timer.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace regatta {

struct Prefetcher::State {
  struct Item {
    std::shared_ptr<const GraphChunk> chunk;
    std::exception_ptr error;
  };

  std::shared_ptr<const Dataset> dataset;
  std::vector<std::int64_t> order;
  std::size_t depth = 1;
  std::size_t taken = 0;
  double stall_seconds = 0;
  std::mutex mutex;
  std::condition_variable_any changed;
  std::deque<Item> ready;
  std::jthread reader;  // last, so that it stops before anything it uses goes

  /// Reads the whole order; an error takes the place of its chunk and ends the reading.
  void run(const std::stop_token& stop) {
    for (const std::int64_t chunk : order) {
      {
        std::unique_lock lock(mutex);
        if (!changed.wait(lock, stop, [this] { return ready.size() < depth; }))
          return;
      }
      Item item;
      try {
        item.chunk = dataset->read_chunk(chunk);
      } catch (...) {
        item.error = std::current_exception();
      }
      const bool failed = item.error != nullptr;
      {
        const std::scoped_lock lock(mutex);
        ready.push_back(std::move(item));
      }
      changed.notify_all();
      if (failed)
        return;
    }
  }
};

Prefetcher::Prefetcher(std::shared_ptr<const Dataset> dataset,
                       std::vector<std::int64_t> order,
                       int depth)
    : state_(std::make_unique<State>()) {
  state_->dataset = std::move(dataset);
  state_->order = std::move(order);
  state_->depth = static_cast<std::size_t>(std::max(depth, 1));
  state_->reader =
      std::jthread([state = state_.get()](const std::stop_token& stop) { state->run(stop); });
}

Prefetcher::~Prefetcher() = default;

std::shared_ptr<const GraphChunk> Prefetcher::next() {
  State& state = *state_;
  REGATTA_CHECK(state.taken < state.order.size(),
                "all {} chunks of the order were delivered",
                state.order.size());
  const Timer timer;
  std::unique_lock lock(state.mutex);
  state.changed.wait(lock, [&] { return !state.ready.empty(); });
  state.stall_seconds += timer.seconds();
  if (state.ready.front().error)
    std::rethrow_exception(state.ready.front().error);
  auto chunk = std::move(state.ready.front().chunk);
  state.ready.pop_front();
  ++state.taken;
  lock.unlock();
  state.changed.notify_all();
  return chunk;
}

double Prefetcher::stall_seconds() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->stall_seconds;
}

}  // namespace regatta
