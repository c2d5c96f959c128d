#include "core/parallel.h"

#include "core/error.h"

#include <atomic>
#include <exception>
#include <omp.h>
#include <vector>

namespace regatta {
namespace {

std::atomic<int> threads_of_rank{1};

/// The pieces of one thread, next .. end-1; others take from them once they have no more of their
/// own.
struct alignas(64) PieceQueue {
  std::atomic<std::int64_t> next{0};
  std::int64_t end = 0;
};

/// Neighbouring pieces to one thread, the same in every loop of as many pieces: what a thread wrote
/// in one loop still lies in its core's cache when it reads it in the next.
std::vector<PieceQueue> shared_out(std::int64_t pieces, int threads) {
  std::vector<PieceQueue> queues(static_cast<std::size_t>(threads));
  for (std::int64_t t = 0; t < threads; ++t) {
    PieceQueue& queue = queues[static_cast<std::size_t>(t)];
    queue.next = pieces * t / threads;
    queue.end = pieces * (t + 1) / threads;
  }
  return queues;
}

/// Calls run(piece) for the queue of thread `mine`, then for what is left in the others.
template <class Run>
void drain(std::vector<PieceQueue>& queues, std::size_t mine, const Run& run) {
  for (std::size_t k = 0; k < queues.size(); ++k) {
    PieceQueue& queue = queues[(mine + k) % queues.size()];
    std::int64_t piece = 0;
    while ((piece = queue.next.fetch_add(1, std::memory_order_relaxed)) < queue.end) run(piece);
  }
}

}  // namespace

void set_compute_threads(int threads) {
  REGATTA_CHECK(threads >= 1, "{} compute threads", threads);
  threads_of_rank = threads;
}

int compute_threads() {
  return threads_of_rank;
}

void parallel_pieces(std::int64_t pieces, const std::function<void(std::int64_t)>& body) {
  const int threads = compute_threads();
  if (threads == 1 || pieces <= 1) {
    for (std::int64_t piece = 0; piece < pieces; ++piece) body(piece);
    return;
  }
  std::exception_ptr first;
  std::atomic<bool> failed{false};
  std::vector<PieceQueue> queues = shared_out(pieces, threads);
  // An exception may not leave an OpenMP region, so the first one waits outside.
#pragma omp parallel num_threads(threads)
  drain(queues, static_cast<std::size_t>(omp_get_thread_num()), [&](std::int64_t piece) {
    if (failed.load(std::memory_order_relaxed))
      return;
    try {
      body(piece);
    } catch (...) {
      if (!failed.exchange(true))
        first = std::current_exception();
    }
  });
  if (first)
    std::rethrow_exception(first);
}

}  // namespace regatta
