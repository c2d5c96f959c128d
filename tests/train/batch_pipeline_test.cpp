// Chunks uploaded ahead of the one that is computed: order, bytes, buffers and errors, with copies
// that a test controls in place of a GPU's.
#include "checkpoint/scratch_folder.h"
#include "core/error.h"
#include "data/sample_dataset.h"
#include "nn/batch_placement.h"
#include "train/batch_store.h"

#include <torch/types.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

namespace regatta {
namespace {

/// Copies nothing before somebody orders his computing after the copy, so that whoever reads
/// earlier reads 0xFF; counts the blocks that are alive.
class LateCopies : public CopyStream {
 public:
  at::Tensor staging(std::int64_t bytes) override { return torch::empty({bytes}, torch::kByte); }

  DeviceCopy start(const at::Tensor& staged) override {
    ++started;
    most_live = std::max(most_live.load(), ++live);
    auto* bytes = new std::uint8_t[static_cast<std::size_t>(staged.numel()) + 1];
    std::memset(bytes, 0xFF, static_cast<std::size_t>(staged.numel()));
    const at::Tensor block = torch::from_blob(
        bytes,
        staged.sizes(),
        [this, bytes](void*) {
          --live;
          delete[] bytes;
        },
        torch::kByte);
    return {block, std::make_shared<at::Tensor>(staged)};
  }

  void order_before_compute(const DeviceCopy& copy) override {
    at::Tensor block = copy.block;
    block.copy_(*static_cast<const at::Tensor*>(copy.end.get()));
  }

  std::atomic<int> started = 0, live = 0, most_live = 0;
};

/// Waits up to ten seconds, then a moment more for what should not happen.
void settle(const std::atomic<int>& count, int expected) {
  using std::chrono::milliseconds;
  for (int i = 0; i < 1000 && count < expected; ++i) std::this_thread::sleep_for(milliseconds(10));
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_EQ(count, expected);
}

/// Every array of a chunk as one string of bytes.
std::string bytes_of(const PreparedChunk& chunk) {
  PreparedChunk copy = chunk;
  const BatchArrays arrays{&copy.batch, copy.targets};
  // Zeros in the gaps between arrays.
  const at::Tensor block = torch::zeros({packed_bytes(arrays)}, torch::kByte);
  pack_batch(arrays, block);
  return {static_cast<const char*>(block.const_data_ptr()), block.nbytes()};
}

struct SampleStore {
  explicit SampleStore(const test::SampleSpec& spec) {
    test::write_sample_dataset(folder.path(), spec);
    dataset = std::make_shared<const Dataset>(folder.path());
    if (spec.classes > 0)
      task = make_task({}, dataset->manifest());
    settings.placement.relations = spec.edge_types;
    settings.placement.kernels = &cpu_kernels();
  }
  BatchStore make() const { return {dataset, task.get(), settings}; }

  test::ScratchFolder folder;
  std::shared_ptr<const Dataset> dataset;
  std::unique_ptr<Task> task;
  BatchStoreSettings settings;
};

TEST(UploadedChunks, HoldTheBytesOfTheSimplePath) {
  for (const bool sparse : {false, true}) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kDouble}) {
      SampleStore sample({.chunks = 5, .sparse = sparse, .edge_width = 3, .edge_types = 2});
      sample.settings.placement.dtype = type;
      BatchStore simple = sample.make();
      const auto copies = std::make_shared<LateCopies>();
      sample.settings.copies = copies;
      BatchStore uploaded = sample.make();
      const std::vector<std::int64_t> order = {3, 0, 4, 4, 1, 2, 0};
      simple.begin(order);
      uploaded.begin(order);
      for (const std::int64_t chunk : order) {
        const auto expected = simple.next();
        const auto found = uploaded.next();
        EXPECT_EQ(found->chunk->chunk, chunk);
        EXPECT_EQ(bytes_of(*found), bytes_of(*expected)) << "chunk " << chunk;
        EXPECT_EQ(found->batch.bytes, expected->batch.bytes);
        EXPECT_EQ(found->batch.nodes_in, expected->batch.nodes_in);
        EXPECT_EQ(found->batch.features.dense.defined(), !sparse);
      }
    }
  }
}

TEST(UploadedChunks, AreTwoAtATimeInMemory) {
  SampleStore sample({.nodes = 90, .chunks = 6});
  const auto copies = std::make_shared<LateCopies>();
  sample.settings.copies = copies;
  {
    BatchStore store = sample.make();
    store.begin({0, 1, 2, 3, 4, 5});
    settle(copies->started, 1);
    for (int k = 0; k < 6; ++k) {
      store.next();
      settle(copies->started, std::min(k + 2, 6));
      EXPECT_LE(copies->live, 2);
    }
    EXPECT_EQ(copies->most_live, 2);
  }
  EXPECT_EQ(copies->live, 0);
}

TEST(UploadedChunks, StayWhereTheBudgetAllows) {
  SampleStore sample({.nodes = 90, .chunks = 3});
  const auto copies = std::make_shared<LateCopies>();
  sample.settings.copies = copies;
  BatchStore probe = sample.make();
  probe.begin({0});
  sample.settings.cache_bytes = probe.next()->batch.bytes;
  copies->started = 0;

  BatchStore store = sample.make();
  const auto epoch = [&] {
    store.begin({0, 1, 2});
    std::shared_ptr<const PreparedChunk> first = store.next();
    for (const int chunk : {1, 2}) EXPECT_EQ(store.next()->chunk->chunk, chunk);
    return first;
  };
  const auto resident = epoch();
  EXPECT_EQ(copies->started, 3);
  EXPECT_EQ(store.cached_bytes(), sample.settings.cache_bytes);
  EXPECT_EQ(epoch(), resident);
  EXPECT_EQ(copies->started, 5);
}

TEST(UploadedChunks, StopInTheMiddleOfAnOrder) {
  SampleStore sample({.nodes = 90, .chunks = 6});
  const auto copies = std::make_shared<LateCopies>();
  sample.settings.copies = copies;
  {
    BatchStore store = sample.make();
    store.begin({0, 1, 2, 3, 4, 5});
    store.next();
    store.begin({5, 4});
    EXPECT_EQ(store.next()->chunk->chunk, 5);
  }
  EXPECT_EQ(copies->live, 0);
}

TEST(UploadedChunks, AnErrorComesWhereItsChunkIsDue) {
  int calls = 0;
  const auto copies = std::make_shared<LateCopies>();
  BatchPipeline pipeline(
      [&]() -> std::shared_ptr<PreparedChunk> {
        if (++calls == 2)
          fail(ExitCode::kData, "chunk-000001.h5: spoilt");
        auto chunk = std::make_shared<PreparedChunk>();
        chunk->targets[1] = {torch::arange(5), torch::arange(5)};
        return chunk;
      },
      3,
      copies);
  const auto first = pipeline.next();
  EXPECT_TRUE(torch::equal(first->targets[1].row, torch::arange(5)));
  for (int again = 0; again < 2; ++again) EXPECT_THROW(pipeline.next(), Error);
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace regatta
