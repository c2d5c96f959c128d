// Reads chunks ahead on a thread, in the order they will be used.
#pragma once

#include "data/dataset.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace regatta {

/// Delivers `order[0], order[1], ...`, at most `depth` ahead. An error of the reader is rethrown by
/// next() at the position it belongs to; destroying the prefetcher stops it. Not copyable.
class Prefetcher {
 public:
  Prefetcher(std::shared_ptr<const Dataset> dataset, std::vector<std::int64_t> order, int depth);
  ~Prefetcher();
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  /// The next chunk of the order; waits for the reader. Seconds waited add up in stall_seconds().
  std::shared_ptr<const GraphChunk> next();
  double stall_seconds() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace regatta
