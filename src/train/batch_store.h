// BatchStore: prepared chunks for the micro-batches of this rank, cached up to a budget, read ahead
// (and uploaded ahead, on a GPU) beyond it.
#pragma once

#include "data/dataset.h"
#include "data/prefetcher.h"
#include "train/batch_pipeline.h"
#include "train/plan.h"

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace regatta {

struct BatchStoreSettings {
  int layers = 1;
  BatchPlacement placement;
  std::int64_t cache_bytes = 0;
  int prefetch = 2;
  std::shared_ptr<CopyStream> copies;  ///< null: chunks are used where they were prepared
};

/// One thread uses it. begin() announces the order of the chunks, next() hands them out in that
/// order.
class BatchStore {
 public:
  BatchStore(std::shared_ptr<const Dataset> dataset, const Task* task, BatchStoreSettings settings);

  void begin(const std::vector<std::int64_t>& chunks);
  std::shared_ptr<const PreparedChunk> next();

  /// The sub-batch of `micro` over `targets`, the training targets of its chunk in the epoch's
  /// order.
  PreparedChunk range(const PreparedChunk& whole,
                      const MicroBatch& micro,
                      const std::vector<std::int64_t>& order) const;

  /// Lets go of cached chunks that are not among `chunks`: they are another rank's now.
  void keep_only(const std::vector<std::int64_t>& chunks);

  const Dataset& dataset() const { return *dataset_; }
  double stall_seconds() const;
  std::int64_t cached_bytes() const { return cached_bytes_; }

 private:
  /// In host memory.
  std::shared_ptr<PreparedChunk> prepare(std::shared_ptr<const GraphChunk> chunk) const;
  std::shared_ptr<const PreparedChunk> read_next();

  std::shared_ptr<const Dataset> dataset_;
  const Task* task_;
  BatchStoreSettings settings_;
  std::map<std::int64_t, std::shared_ptr<const PreparedChunk>> cache_;
  std::int64_t cached_bytes_ = 0;
  std::vector<std::int64_t> order_;
  std::vector<bool>
      from_reader_;  ///< by position in order_: not cached when the order was announced
  std::size_t position_ = 0;
  std::shared_ptr<const PreparedChunk> latest_;
  std::unique_ptr<Prefetcher> prefetcher_;
  std::unique_ptr<BatchPipeline> pipeline_;  ///< after the prefetcher that it reads from
  double stalled_before_ = 0;
};

}  // namespace regatta
