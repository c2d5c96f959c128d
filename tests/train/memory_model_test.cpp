// The memory that a step is said to need, beside what the pool of tensors gave out.
#include "train/memory_model.h"

#include "mpi/mpi_world.h"
#include "nn/host_memory.h"
#include "nn/model.h"
#include "train/cora_job.h"
#include "train/trainer.h"

#include <gtest/gtest.h>

namespace regatta::testing {
namespace {

MemoryModel model_of(const TrainJob& job, const Manifest& manifest, std::int64_t classes) {
  const Model model(job.model, {manifest.feature_width, classes, 1, torch::kFloat, 0, 0});
  return memory_model(job, manifest, model, classes);
}

TEST(MemoryModel, CountsTheBitsOfDropout) {
  const SharedFolder folder("regatta-memory-model", mpi_world());
  make_cora(folder.path() + "/data", 1, mpi_world());
  const Dataset dataset(folder.path() + "/data");
  const ManifestChunk& chunk = dataset.manifest().chunks.front();
  TrainJob job = cora_job(1);
  const MemoryModel with = model_of(job, dataset.manifest(), 7);
  for (LayerOptions& layer : job.model.layers)
    layer.attention_dropout = layer.input_dropout = layer.message_dropout = 0;
  const MemoryModel without = model_of(job, dataset.manifest(), 7);
  const double bits = with.activation_bytes(chunk) - without.activation_bytes(chunk);
  // A byte for four heads of an edge (8 heads, then 1); a bit for a column of a node's messages
  // (64, then 7 in a word of their own) and of the second layer's input (64), which is kept too.
  EXPECT_EQ(bits,
            3.0 * static_cast<double>(chunk.edges) +
                (3 * 8 + 4.0 * 64) * static_cast<double>(chunk.nodes));
}

TEST(MemoryModel, IsNearWhatAStepTakes) {
  const SharedFolder folder("regatta-memory-model", mpi_world());
  make_cora(folder.path() + "/data", 1, mpi_world());
  const auto dataset = std::make_shared<const Dataset>(folder.path() + "/data");
  const TrainJob job = cora_job(3);
  const MemoryModel model = model_of(job, dataset->manifest(), 7);
  Trainer(job, dataset, folder.path() + "/run", mpi_world()).run(false);
  const double told =
      model.activation_bytes(dataset->manifest().chunks.front()) + model.parameter_bytes();
  const auto taken = static_cast<double>(host_tensor_blocks().use().most_live);
  EXPECT_LE(taken, 1.2 * told);
  EXPECT_GE(taken, 0.4 * told);
}

}  // namespace
}  // namespace regatta::testing
