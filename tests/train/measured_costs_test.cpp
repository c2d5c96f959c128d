// Costs of chunks by measured times, and memory within a limit: neither changes what is computed.
#include "train/measured_costs.h"

#include "core/error.h"
#include "mpi/mpi_world.h"
#include "train/assignment.h"
#include "train/batch_store.h"
#include "train/cora_job.h"
#include "train/trainer.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace regatta::testing {
namespace {

std::vector<ChunkLoad> eight_chunks() {
  std::vector<ChunkLoad> loads;
  for (std::int64_t c = 0; c < 8; ++c) loads.push_back({c, 10, 10, 100});
  return loads;
}

std::vector<Step> plan_of(const MeasuredCosts& costs) {
  return make_plan(costs.loads(), {}, true, 1, 0);
}

/// Every rank notes the chunks it was given, as `seconds(chunk)`.
template <class Seconds>
bool measure(MeasuredCosts& costs, Seconds seconds) {
  const auto steps = plan_of(costs);
  for (const Step& step : steps) {
    const auto parts = assign(step, mpi_world().size());
    for (const std::size_t i : parts[static_cast<std::size_t>(mpi_world().rank())])
      costs.note(step.micro_batches[i], seconds(step.micro_batches[i].chunk));
  }
  return costs.share(steps, mpi_world());
}

TEST(MeasuredCostsTest, ASlowChunkGetsARankOfItsOwn) {
  MeasuredCosts costs(eight_chunks());
  const auto seconds = [](std::int64_t chunk) { return chunk == 3 ? 0.7 : 0.1; };
  const bool changed = measure(costs, seconds);
  EXPECT_EQ(changed, mpi_world().size() > 1) << "alone there is nothing to share out";
  if (!changed)
    return;
  const Step step = plan_of(costs).front();
  for (const auto& part : assign(step, mpi_world().size())) {
    const bool has_slow = std::any_of(
        part.begin(), part.end(), [&](std::size_t i) { return step.micro_batches[i].chunk == 3; });
    EXPECT_EQ(has_slow, part.size() == 1) << "of 8 chunks on " << mpi_world().size() << " ranks";
  }
  EXPECT_FALSE(measure(costs, seconds)) << "the same times again change nothing";
}

TEST(MeasuredCostsTest, AllRanksComeToTheSameCosts) {
  MeasuredCosts costs(eight_chunks());
  measure(costs, [](std::int64_t chunk) { return 0.01 * static_cast<double>(1 + chunk * chunk); });
  std::vector<double> mine;
  for (const ChunkLoad& load : costs.loads()) mine.push_back(load.cost);
  std::vector<double> first = mine;
  mpi_world().broadcast(first.data(), 64, 0);
  EXPECT_EQ(mine, first);
}

TEST(MeasuredCostsTest, NoiseMovesNothing) {
  MeasuredCosts costs(eight_chunks());
  EXPECT_FALSE(
      measure(costs, [](std::int64_t chunk) { return 0.1 + 0.0001 * static_cast<double>(chunk); }));
  EXPECT_EQ(costs.loads()[5].cost, 100) << "the estimate stays";
}

/// As when chunks have moved to another rank: their memory is there for those that came.
TEST(BatchStoreTest, LetsGoOfChunksThatAreAnotherRanks) {
  const SharedFolder folder("regatta-store", mpi_world());
  make_cora(folder.path() + "/data", 7, mpi_world());
  BatchStoreSettings settings;
  settings.cache_bytes = 1 << 30;
  BatchStore store(std::make_shared<const Dataset>(folder.path() + "/data"), nullptr, settings);
  const auto use = [&](const std::vector<std::int64_t>& chunks) {
    store.begin(chunks);
    for (const std::int64_t chunk : chunks) EXPECT_EQ(store.next()->chunk->chunk, chunk);
    return store.cached_bytes();
  };
  const std::int64_t three = use({0, 1, 2}), five = use({0, 1, 2, 3, 4});
  EXPECT_GT(five, three);
  store.keep_only({0, 1, 2, 6});
  EXPECT_EQ(store.cached_bytes(), three);
  EXPECT_EQ(use({0, 1, 2}), three);
  EXPECT_EQ(use({4, 3}), five);
}

class MemoryLimitTest : public ::testing::Test {
 protected:
  MemoryLimitTest() : folder_("regatta-memory", mpi_world()) {
    make_cora(folder_.path() + "/data", 7, mpi_world());
  }
  RunSummary train(const TrainJob& job, const std::string& run) {
    Trainer trainer(job,
                    std::make_shared<const Dataset>(folder_.path() + "/data"),
                    folder_.path() + "/" + run,
                    mpi_world());
    return trainer.run(false);
  }
  SharedFolder folder_;
};

TEST_F(MemoryLimitTest, TooLittleIsAnErrorThatNamesTheNeed) {
  TrainJob job = cora_job(1);
  job.runtime.memory_limit_mib = 8;
  try {
    train(job, "small");
    FAIL() << "trained in 8 MiB";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("memory_limit_mib: 8 is too little"),
              std::string::npos)
        << error.what();
  }
}

TEST_F(MemoryLimitTest, StreamedAndResidentChunksGiveTheSameResult) {
  TrainJob job = cora_job(4);
  const RunSummary resident = train(job, "resident");
  job.runtime.chunk_cache_mib = 0;
  const RunSummary streamed = train(job, "streamed");
  EXPECT_EQ(streamed.model_digest, resident.model_digest);
  EXPECT_EQ(streamed.cached_mib, 0);
  job.runtime.chunk_cache_mib = 2048;
  job.runtime.memory_limit_mib = resident.peak_mib + 100;
  const RunSummary limited = train(job, "limited");
  EXPECT_EQ(limited.model_digest, resident.model_digest);
  EXPECT_LE(limited.peak_mib, job.runtime.memory_limit_mib);
}

}  // namespace
}  // namespace regatta::testing
