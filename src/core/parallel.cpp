#include "core/parallel.h"

#include "core/error.h"

#include <atomic>
#include <exception>
#include <omp.h>

namespace regatta {
namespace {

std::atomic<int> threads_of_rank{1};

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
  // An exception may not leave an OpenMP region, so the first one waits outside.
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (std::int64_t piece = 0; piece < pieces; ++piece) {
    if (failed.load(std::memory_order_relaxed))
      continue;
    try {
      body(piece);
    } catch (...) {
      if (!failed.exchange(true))
        first = std::current_exception();
    }
  }
  if (first)
    std::rethrow_exception(first);
}

}  // namespace regatta
