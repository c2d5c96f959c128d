// Datasets on disk: Cora as shipped, replacing and refusing folders, what a reader finds.
#include "data/dataset.h"

#include "preprocess/pipeline.h"
#include "preprocess/test_folder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>
#include <set>

namespace regatta {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;
using testing::TestFolder;

PreprocessOptions cora(std::int64_t chunks) {
  const std::string folder = std::string(REGATTA_SOURCE_DIR) + "/data/cora/";
  PreprocessOptions options;
  options.edges.path = folder + "edges.csv.gz";
  options.nodes.path = folder + "nodes.svmlight.gz";
  options.splits.path = folder + "split.csv.gz";
  options.features.normalise = "row_l1";
  options.partition.chunks = chunks;
  return options;
}

std::int64_t sum(const std::vector<std::int64_t>& values) {
  return std::accumulate(values.begin(), values.end(), std::int64_t{0});
}

std::size_t files_in(const std::string& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

TEST(Dataset, CoraHasItsPublishedSizes) {
  const TestFolder folder;
  const auto world = make_self_communicator();
  const Manifest written = preprocess_dataset(cora(4), folder.at("cora"), *world);
  EXPECT_EQ(written.nodes, 2708);
  EXPECT_EQ(written.edges, 2 * 5278 + 2708);
  EXPECT_EQ(written.feature_width, 1433);
  EXPECT_EQ(written.feature_kind, "sparse");
  EXPECT_FALSE(written.directed);
  const auto& target = written.targets.at("label");
  EXPECT_EQ(target.classes, (std::vector<std::string>{"0", "1", "2", "3", "4", "5", "6"}));
  EXPECT_EQ(target.counts.at("train"), std::vector<std::int64_t>(7, 20));
  EXPECT_EQ(sum(target.counts.at("val")), 500);
  EXPECT_EQ(sum(target.counts.at("test")), 1000);
  EXPECT_LT(written.edge_cut, written.edges / 10) << "METIS cuts little of Cora";

  // The same through a reader that checks everything.
  const Dataset dataset(folder.at("cora"), {.verify = "open"});
  EXPECT_EQ(manifest_to_json(dataset.manifest()), manifest_to_json(written));
  std::int64_t owned_entries = 0;
  for (std::int64_t c = 0; c < 4; ++c) {
    const auto chunk = dataset.read_chunk(c);
    owned_entries += chunk->features.x_indptr[chunk->num_owned];
  }
  EXPECT_EQ(owned_entries, 49216) << "non-zero features";
}

// Read back by h5py and compared with what scikit-learn and numpy read from the raw files.
TEST(Dataset, EqualsTheRawFilesForPython) {
  const TestFolder folder;
  const auto world = make_self_communicator();
  PreprocessOptions options = cora(4);
  options.features.normalise = "none";
  preprocess_dataset(options, folder.at("d"), *world);
  const std::string command = std::string(REGATTA_PYTHON) + " " + REGATTA_SOURCE_DIR +
                              "/tests/oracle/preprocess_dataset.py " + folder.at("d") + " " +
                              options.edges.path + " " + options.nodes.path + " " +
                              options.splits.path;
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

TEST(Dataset, ReplacesAnEarlierOneWhole) {
  const TestFolder folder;
  const auto world = make_self_communicator();
  preprocess_dataset(cora(5), folder.at("d"), *world);
  EXPECT_EQ(files_in(folder.at("d")), 6U);
  // Bad input leaves the earlier dataset as it was.
  PreprocessOptions bad = cora(2);
  bad.edges.path = folder.write("bad.csv", "0,1\n0,9999\n");
  const std::string before = testing::bytes_of(folder.at("d/manifest.json"));
  expect_error(
      ExitCode::kData, "bad.csv:2", [&] { preprocess_dataset(bad, folder.at("d"), *world); });
  EXPECT_EQ(testing::bytes_of(folder.at("d/manifest.json")), before);
  EXPECT_EQ(files_in(folder.at("d")), 6U);
  // Fewer chunks, and left-overs of a run that was killed.
  folder.write("d/chunk-000007.h5.tmp", "half");
  folder.write("d/chunk-000011.h5", "stale");
  folder.write("d/bad_rows.csv", "stale");
  preprocess_dataset(cora(2), folder.at("d"), *world);
  EXPECT_EQ(files_in(folder.at("d")), 3U);
  EXPECT_EQ(Dataset(folder.at("d"), {.verify = "open"}).num_chunks(), 2);
}

TEST(Dataset, WritesTheSameBytesAgain) {
  const TestFolder folder;
  const auto world = make_self_communicator();
  preprocess_dataset(cora(3), folder.at("a"), *world);
  preprocess_dataset(cora(3), folder.at("b"), *world);
  for (const auto& entry : fs::directory_iterator(folder.at("a"))) {
    const std::string name = entry.path().filename();
    EXPECT_TRUE(testing::bytes_of(folder.at("a/" + name)) ==
                testing::bytes_of(folder.at("b/" + name)))
        << name;
  }
}

TEST(Dataset, RefusesForeignFolders) {
  const TestFolder folder;
  const auto world = make_self_communicator();
  fs::create_directory(folder.at("home"));
  folder.write("home/thesis.tex", "years of work");
  expect_error(ExitCode::kUsage, "holds 'thesis.tex', which is not part of a dataset", [&] {
    preprocess_dataset(cora(1), folder.at("home"), *world);
  });
  EXPECT_EQ(files_in(folder.at("home")), 1U);
  folder.write("file", "x");
  expect_error(ExitCode::kUsage, "is not a folder", [&] {
    preprocess_dataset(cora(1), folder.at("file"), *world);
  });
}

TEST(Dataset, CleansUpWhenItCannotBeWritten) {
  const TestFolder folder;
  const auto world = make_self_communicator();
  // A folder in the place of a chunk file: rename fails, whoever runs it.
  fs::create_directories(folder.at("d/chunk-000001.h5/x"));
  expect_error(ExitCode::kStorage, "chunk-000001.h5", [&] {
    preprocess_dataset(cora(3), folder.at("d"), *world);
  });
  EXPECT_FALSE(fs::exists(folder.at("d/manifest.json")));
  EXPECT_FALSE(fs::exists(folder.at("d/chunk-000000.h5")));
}

TEST(Dataset, EdgeNumbersDoNotDependOnChunks) {
  const DatasetInMemory one = build_chunks(cora(1));
  const GraphChunk& whole = one.chunks[0];
  for (const GraphChunk& chunk : build_chunks(cora(6)).chunks) {
    for (std::int64_t row = 0; row < chunk.num_owned; ++row) {
      const std::int64_t node = chunk.global_id[row];
      const std::int64_t first = whole.graph.indptr[node];
      ASSERT_EQ(chunk.graph.indptr[row + 1] - chunk.graph.indptr[row],
                whole.graph.indptr[node + 1] - first);
      std::set<std::int64_t> ids;
      for (std::int64_t e = chunk.graph.indptr[row]; e < chunk.graph.indptr[row + 1]; ++e) {
        ids.insert(chunk.graph.edge_id[e]);
        ASSERT_EQ(whole.graph.src[chunk.graph.edge_id[e]], chunk.global_id[chunk.graph.src[e]]);
      }
      if (!ids.empty()) {
        ASSERT_EQ(*ids.begin(), first);
        ASSERT_EQ(*ids.rbegin(), whole.graph.indptr[node + 1] - 1);
      }
    }
  }
}

}  // namespace
}  // namespace regatta
