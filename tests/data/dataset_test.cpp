// Small queries, reading ahead, storage errors, and what `regatta inspect` gathers.
#include "checkpoint/scratch_folder.h"
#include "core/error.h"
#include "data/chunk_writer.h"
#include "data/dataset_report.h"
#include "data/prefetcher.h"
#include "data/sample_dataset.h"
#include "data/table_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <numeric>
#include <thread>

namespace regatta {
namespace {

using test::ScratchFolder;
using testing::HasSubstr;

TEST(Splits, HaveNames) {
  EXPECT_EQ(split_from_name("train"), Split::kTrain);
  EXPECT_EQ(split_from_name("val"), Split::kValidation);
  EXPECT_EQ(split_from_name("validation"), Split::kValidation);
  EXPECT_EQ(split_from_name(split_name(Split::kTest)), Split::kTest);
  try {
    split_from_name("dev");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("train, val"));
  }
}

TEST(GraphChunk, RowsShrinkWithTheLayersBehind) {
  GraphChunk chunk;
  chunk.hops = 2;
  chunk.ring_ptr = std::vector<std::int64_t>{0, 3, 7, 12};
  chunk.graph.rows = 7;
  chunk.graph.nodes = 12;
  EXPECT_EQ(chunk.rows_for(0), 3);
  EXPECT_EQ(chunk.rows_for(1), 7);
  EXPECT_EQ(chunk.rows_for(2), 7);  // no rows are stored for ring 2
  EXPECT_EQ(chunk.rows_for(9), 7);
  chunk.hops = 0;
  EXPECT_EQ(chunk.rows_for(0), 7);
}

TEST(GraphChunk, NamesTheTargetsItHas) {
  GraphChunk chunk;
  chunk.targets.resize(2);
  chunk.targets[1].name = "colour";
  EXPECT_EQ(&chunk.target("colour"), &chunk.targets[1]);
  try {
    chunk.target("age");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kData);
    EXPECT_THAT(error.what(), HasSubstr("present: label, colour"));
  }
}

TEST(OriginalIds, AreText) {
  const ScratchFolder folder;
  const auto integer = test::write_sample_dataset(folder.path(), {.ids = "integer"});
  EXPECT_EQ(integer.chunks[0].original.at(1),
            std::to_string(1000 + 7 * integer.chunks[0].global_id[1]));
  const auto text = test::write_sample_dataset(folder.path(), {.ids = "text"});
  for (std::int64_t i = 0; i < text.chunks[0].num_nodes(); ++i) {
    const std::int64_t node = text.chunks[0].global_id[static_cast<std::size_t>(i)];
    EXPECT_EQ(text.chunks[0].original.at(i),
              node % 5 == 0 ? "" : "n\u00f6de-" + std::to_string(node));
  }
}

TEST(Prefetcher, DeliversTheOrder) {
  const ScratchFolder folder;
  test::write_sample_dataset(folder.path(), {.chunks = 3});
  const auto dataset = std::make_shared<const Dataset>(folder.path());
  const std::vector<std::int64_t> order = {2, 0, 0, 1, 2, 1};
  for (const int depth : {0, 1, 2, 100}) {
    Prefetcher prefetcher(dataset, order, depth);
    for (const std::int64_t chunk : order) EXPECT_EQ(prefetcher.next()->chunk, chunk);
    EXPECT_GE(prefetcher.stall_seconds(), 0);
    EXPECT_THROW(prefetcher.next(), std::exception);
  }
}

TEST(Prefetcher, RethrowsAnErrorAtItsPlace) {
  const ScratchFolder folder;
  test::write_sample_dataset(folder.path(), {.chunks = 3});
  const auto dataset = std::make_shared<const Dataset>(folder.path());
  std::filesystem::remove(folder / "chunk-000001.h5");
  Prefetcher prefetcher(dataset, {0, 2, 1, 0}, 4);
  EXPECT_EQ(prefetcher.next()->chunk, 0);
  EXPECT_EQ(prefetcher.next()->chunk, 2);
  EXPECT_THROW(prefetcher.next(), Error);
  EXPECT_THROW(prefetcher.next(), Error);  // and stays there
}

TEST(Prefetcher, StopsWhenDestroyedEarly) {
  const ScratchFolder folder;
  test::write_sample_dataset(folder.path(), {.chunks = 2});
  const auto dataset = std::make_shared<const Dataset>(folder.path());
  for (int i = 0; i < 20; ++i) {
    Prefetcher prefetcher(dataset, std::vector<std::int64_t>(1000, i % 2), 1 + i % 3);
    if (i % 4 == 0)
      prefetcher.next();
  }
}

TEST(Writing, NamesAPathThatCannotBeWritten) {
  const ScratchFolder folder;
  const auto sample = test::write_sample_dataset(folder.path(), {});
  const std::string missing = folder / "missing";
  try {
    write_chunk_file(missing, sample.chunks[0], sample.manifest.targets);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kStorage);
    EXPECT_THAT(error.what(), HasSubstr(missing));
  }
  Hdf5Table table;
  table.add("a", std::vector<std::int64_t>{1});
  EXPECT_THROW(table.write(missing + "/t.h5"), Error);
}

TEST(Writing, AFailureLeavesTheOldFileAndNothingElse) {
  const ScratchFolder folder;
  Hdf5Table table;
  table.add("a", std::vector<std::int64_t>{1});
  table.write(folder / "t.h5");
  const std::string before = test::read_bytes(folder / "t.h5");
  table.add("a", std::vector<std::int64_t>{2});  // a second array of the same name cannot be made
  EXPECT_THROW(table.write(folder / "t.h5"), Error);
  EXPECT_EQ(test::read_bytes(folder / "t.h5"), before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(Writing, RefusesMoreNodesThanLocalIdsHold) {
  const ScratchFolder folder;
  GraphChunk chunk;
  chunk.graph.nodes = std::int64_t{1} << 31;
  try {
    write_chunk_file(folder.path(), chunk, {});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kData);
    EXPECT_THAT(error.what(), HasSubstr("make more chunks"));
  }
}

/// In-degrees over the sample's edges, from the chunks' owned rows.
TEST(Report, CountsWhatIsThere) {
  const ScratchFolder folder;
  const auto sample = test::write_sample_dataset(folder.path(), {.nodes = 90, .chunks = 3});
  const Dataset dataset(folder.path());
  const DatasetReport report = inspect_dataset(dataset);
  EXPECT_EQ(report.owned_edges, sample.manifest.edges);
  EXPECT_EQ(std::accumulate(
                report.degree_histogram.begin(), report.degree_histogram.end(), std::int64_t{0}),
            90);
  EXPECT_EQ(report.owned.mean, 30);
  EXPECT_EQ(report.one_hop_kept, 1);
  EXPECT_EQ(report.two_hop_kept, 1);
  std::int64_t isolated = 0;
  for (const GraphChunk& chunk : sample.chunks)
    for (std::size_t row = 0; row < static_cast<std::size_t>(chunk.num_owned); ++row)
      isolated += chunk.graph.indptr[row + 1] == chunk.graph.indptr[row];
  EXPECT_EQ(report.degree_histogram[0], isolated);

  const nlohmann::ordered_json json = report_to_json(report, dataset);
  EXPECT_EQ(json.at("graph").at("nodes"), 90);
  EXPECT_EQ(json.at("chunks").size(), 3U);
  EXPECT_EQ(json.at("digest"), dataset_digest(sample.manifest));
  EXPECT_EQ(json.at("in_degree").at("max"), report.degree_max);
  const std::string text = report_to_text(report, dataset);
  for (const char* words :
       {"90 nodes", "edge cut", "replication", "in-degree", "class 2", "exact, 2 hops", "source"})
    EXPECT_THAT(text, HasSubstr(words));
}

TEST(Report, TellsWhatAnApproximateHaloKeeps) {
  const ScratchFolder none;
  const auto cut =
      test::write_sample_dataset(none.path(), {.nodes = 90, .chunks = 3, .halo = "none"});
  const DatasetReport without = inspect_dataset(Dataset(none.path()));
  EXPECT_DOUBLE_EQ(
      without.one_hop_kept,
      1 - static_cast<double>(cut.manifest.edge_cut) / static_cast<double>(cut.manifest.edges));
  EXPECT_FALSE(without.two_hop_known);

  const ScratchFolder one;
  test::write_sample_dataset(one.path(), {.nodes = 90, .chunks = 3, .halo = "one_hop"});
  const DatasetReport ring = inspect_dataset(Dataset(one.path()));
  EXPECT_EQ(ring.one_hop_kept, 1);
  EXPECT_GT(ring.two_hop_kept, 0.3);
  EXPECT_LT(ring.two_hop_kept, 1);

  const ScratchFolder whole;
  test::write_sample_dataset(whole.path(), {.nodes = 90, .chunks = 1, .halo = "one_hop"});
  EXPECT_EQ(inspect_dataset(Dataset(whole.path())).two_hop_kept, 1);
}

}  // namespace
}  // namespace regatta
