#include "train/batch_store.h"

#include "core/error.h"
#include "nn/batch_placement.h"

#include <torch/types.h>

#include <algorithm>

namespace regatta {

BatchStore::BatchStore(std::shared_ptr<const Dataset> dataset,
                       const Task* task,
                       BatchStoreSettings settings)
    : dataset_(std::move(dataset)), task_(task), settings_(settings) {}

std::shared_ptr<PreparedChunk> BatchStore::prepare(std::shared_ptr<const GraphChunk> chunk) const {
  auto prepared = std::make_shared<PreparedChunk>();
  const bool exact = dataset_->manifest().halo_mode == "exact";
  prepared->batch = make_host_batch(*chunk, settings_.layers, exact, settings_.placement);
  if (task_ != nullptr) {
    const NodeTarget& target = task_->target_of(*chunk);
    for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest}) {
      prepared->targets[static_cast<std::size_t>(split)] =
          target_rows(target, split, task_->split_index(), at::kCPU);
    }
  }
  prepared->chunk = std::move(chunk);
  return prepared;
}

void BatchStore::begin(const std::vector<std::int64_t>& chunks) {
  order_ = chunks;
  position_ = 0;
  from_reader_.assign(chunks.size(), false);
  std::vector<std::int64_t> missing;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    // A chunk used twice in a row (ranges of one chunk) is read once.
    const bool repeated = i > 0 && chunks[i] == chunks[i - 1];
    from_reader_[i] = cache_.count(chunks[i]) == 0 && !repeated;
    if (from_reader_[i])
      missing.push_back(chunks[i]);
  }
  stalled_before_ = stall_seconds();
  pipeline_.reset();
  prefetcher_.reset();
  if (missing.empty())
    return;
  const std::size_t count = missing.size();
  prefetcher_ = std::make_unique<Prefetcher>(dataset_, std::move(missing), settings_.prefetch);
  if (settings_.copies != nullptr) {
    pipeline_ = std::make_unique<BatchPipeline>(
        [this] { return prepare(prefetcher_->next()); }, count, settings_.copies);
  }
}

std::shared_ptr<const PreparedChunk> BatchStore::read_next() {
  // Let go before the next upload begins, lest three chunks lie on the device.
  latest_.reset();
  if (pipeline_ != nullptr)
    return pipeline_->next();
  const std::shared_ptr<PreparedChunk> prepared = prepare(prefetcher_->next());
  place_batch({&prepared->batch, prepared->targets});
  return prepared;
}

std::shared_ptr<const PreparedChunk> BatchStore::next() {
  REGATTA_CHECK(position_ < order_.size(), "more micro-batches were taken than announced");
  const std::size_t at = position_++;
  const std::int64_t chunk = order_[at];
  const auto found = cache_.find(chunk);
  if (!from_reader_[at]) {
    if (found != cache_.end())
      return found->second;
    REGATTA_CHECK(
        latest_ != nullptr && latest_->chunk->chunk == chunk, "chunk {} was not kept", chunk);
    return latest_;
  }
  latest_ = read_next();
  if (found == cache_.end() && cached_bytes_ + latest_->batch.bytes <= settings_.cache_bytes) {
    cached_bytes_ += latest_->batch.bytes;
    cache_[chunk] = latest_;
  }
  return latest_;
}

void BatchStore::keep_only(const std::vector<std::int64_t>& chunks) {
  std::erase_if(cache_, [&](const auto& cached) {
    if (std::find(chunks.begin(), chunks.end(), cached.first) != chunks.end())
      return false;
    cached_bytes_ -= cached.second->batch.bytes;
    return true;
  });
}

PreparedChunk BatchStore::range(const PreparedChunk& whole,
                                const MicroBatch& micro,
                                const std::vector<std::int64_t>& order) const {
  const TargetRows& train = whole.targets[static_cast<std::size_t>(Split::kTrain)];
  const at::Tensor rows = train.row.cpu(), labels = train.label.cpu();
  const auto* row = rows.const_data_ptr<std::int64_t>();
  const auto* label = labels.const_data_ptr<std::int64_t>();
  std::vector<std::int64_t> chosen(order.begin() + micro.first,
                                   order.begin() + micro.first + micro.count);
  std::sort(chosen.begin(), chosen.end());
  std::vector<std::int64_t> targets, wanted, row_of_target;
  for (const std::int64_t i : chosen) {
    targets.push_back(row[i]);
    wanted.push_back(label[i]);
  }
  PreparedChunk part;
  part.chunk = whole.chunk;
  part.batch = make_range_batch(*whole.chunk,
                                targets,
                                settings_.layers,
                                dataset_->manifest().halo_mode == "exact",
                                settings_.placement,
                                row_of_target);
  part.targets[static_cast<std::size_t>(Split::kTrain)] = {
      torch::tensor(row_of_target, torch::kInt64).to(settings_.placement.device),
      torch::tensor(wanted, torch::kInt64).to(settings_.placement.device)};
  return part;
}

double BatchStore::stall_seconds() const {
  // Behind a pipeline the prefetcher makes its thread wait, not the training.
  if (pipeline_ != nullptr)
    return stalled_before_ + pipeline_->stall_seconds();
  return stalled_before_ + (prefetcher_ ? prefetcher_->stall_seconds() : 0.0);
}

}  // namespace regatta
