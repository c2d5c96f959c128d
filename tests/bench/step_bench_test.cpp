// The report of `regatta bench step`: on a generated graph, and what it says of floor and memory.
#include "bench/step_bench.h"

#include "bench/generated_dataset.h"
#include "bench_report.h"
#include "mpi/mpi_world.h"
#include "train/cora_job.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>

namespace regatta {
namespace {

using test::Json;
using testing::mpi_world;

StepGraphOptions small_graph(const std::string& name) {
  StepGraphOptions options;
  options.graph.graph = name;
  options.graph.nodes = 700;
  options.graph.edges = 5000;
  options.graph.seed = 3;
  options.features = 12;
  options.classes = 4;
  return options;
}

/// A graph of this rank's own, and the published model on it.
Json bench_generated(const std::string& name, const TrainJob& job, std::int64_t repeats) {
  const TemporaryFolder folder;
  write_generated_dataset(small_graph(name), job.task.target, folder.path());
  const auto dataset = std::make_shared<const Dataset>(folder.path(), ReadOptions{});
  return bench_step(job, std::nullopt, dataset, folder.path() + "/run", repeats, mpi_world());
}

double sum_of(const Json& parts) {
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

class GeneratedStep : public ::testing::TestWithParam<const char*> {};

TEST_P(GeneratedStep, ReportsTimesFloorAndMemory) {
  const Json report = bench_generated(GetParam(), testing::cora_job(1), 4);
  test::expect_header(report);
  test::expect_spread(report.at("step"));
  EXPECT_EQ(report.at("steps").get<int>(), 4) << "one chunk, one step an epoch";
  const Json& parts = report.at("floor_parts");
  for (const char* part : {"attention", "products", "optimiser"})
    EXPECT_GT(parts.at(part).get<double>(), 0) << part;
  EXPECT_DOUBLE_EQ(report.at("floor").get<double>(), sum_of(parts));
  EXPECT_NEAR(report.at("percent").get<double>(),
              100 * sum_of(parts) / report.at("step").at("median").get<double>(),
              1e-9);
  const Json& memory = report.at("memory");
  EXPECT_GT(memory.at("resident_before").get<std::int64_t>(), 1 << 20);
  EXPECT_GE(memory.at("resident_peak"), memory.at("resident_before"));
  EXPECT_GE(memory.at("step_peak").get<std::int64_t>(), 0);
}

INSTANTIATE_TEST_SUITE_P(Graphs,
                         GeneratedStep,
                         ::testing::Values("random", "power_law", "clustered"),
                         [](const auto& info) { return std::string(info.param); });

TEST(StepReport, TakesMoreMemoryWithWiderRows) {
  TrainJob wide = testing::cora_job(1);
  LayerOptions& layer = wide.model.layers[0];
  layer.width = 1024;
  layer.input_dropout = layer.attention_dropout = layer.message_dropout = 0;
  const Json report = bench_generated("random", wide, 1);
  // Backward needs the projected rows and O, of 8 * 1024 values each.
  EXPECT_GT(report.at("memory").at("step_peak").get<std::int64_t>(), 40 << 20);
}

TEST(StepReport, HasNoFloorForRangesOfTargets) {
  TrainJob job = testing::cora_job(1);
  job.train.step.targets = 350;
  const Json report = bench_generated("random", job, 2);
  EXPECT_EQ(report.at("steps").get<int>(), 4) << "two steps an epoch";
  for (const char* key : {"floor", "floor_parts", "percent"})
    EXPECT_TRUE(report.at(key).is_null()) << key;
}

TEST(GeneratedDataset, HoldsTheGraphThatWasAskedFor) {
  const TemporaryFolder folder;
  const StepGraphOptions options = small_graph("power_law");
  write_generated_dataset(options, "topic", folder.path());
  const Dataset dataset(folder.path());
  const auto chunk = dataset.read_chunk(0);
  const PreparedGraph graph = make_bench_graph(options.graph);
  ASSERT_EQ(chunk->graph.src.size(), graph.in.src.size());
  EXPECT_TRUE(std::equal(chunk->graph.src.begin(), chunk->graph.src.end(), graph.in.src.begin()));
  EXPECT_EQ(dataset.manifest().edges, 5000);
  EXPECT_EQ(chunk->features.width, 12);
  std::int64_t labelled = 0;
  for (const std::int64_t count : dataset.manifest().targets.at("topic").counts.at("train")) {
    EXPECT_GT(count, 700 / 4 / 2) << "drawn uniformly from 4 classes";
    labelled += count;
  }
  EXPECT_EQ(labelled, 700);
}

TEST(GeneratedDataset, HasTheSameBytesForTheSameSeed) {
  const TemporaryFolder first, second, other;
  StepGraphOptions options = small_graph("random");
  write_generated_dataset(options, "label", first.path());
  write_generated_dataset(options, "label", second.path());
  options.graph.seed = 4;
  write_generated_dataset(options, "label", other.path());
  const auto digest = [](const TemporaryFolder& folder) {
    return dataset_digest(read_manifest(folder.path()));
  };
  EXPECT_EQ(digest(first), digest(second));
  EXPECT_NE(digest(first), digest(other));
}

TEST(TemporaryFolder, LeavesNothingBehind) {
  std::string path;
  {
    const TemporaryFolder folder;
    path = folder.path();
    write_generated_dataset(small_graph("random"), "label", path);
    EXPECT_TRUE(std::filesystem::exists(path + "/manifest.json"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace regatta
