// The same bytes for any number of ranks, and errors that reach every rank.
#include "mpi/mpi_world.h"
#include "preprocess/pipeline.h"
#include "preprocess/test_folder.h"
#include "preprocess/write/agreement.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>

namespace regatta {
namespace {

namespace fs = std::filesystem;
using testing::mpi_world;
using testing::TestFolder;

PreprocessOptions cora(std::int64_t chunks) {
  const std::string folder = std::string(REGATTA_SOURCE_DIR) + "/data/cora/";
  PreprocessOptions options;
  options.edges.path = folder + "edges.csv.gz";
  options.nodes.path = folder + "nodes.svmlight.gz";
  options.splits.path = folder + "split.csv.gz";
  options.partition.chunks = chunks;
  return options;
}

/// A folder of rank 0 that all ranks know.
class SharedFolder {
 public:
  SharedFolder() {
    if (mpi_world().rank() == 0)
      folder_ = std::make_unique<TestFolder>();
    path_.assign(4096, '\0');
    if (folder_)
      folder_->path().copy(path_.data(), path_.size() - 1);
    mpi_world().broadcast(path_.data(), static_cast<std::int64_t>(path_.size()), 0);
    path_.resize(path_.find('\0'));
  }
  ~SharedFolder() { mpi_world().barrier(); }
  std::string at(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::unique_ptr<TestFolder> folder_;
  std::string path_;
};

TEST(Ranks, WriteTheSameBytesAsOne) {
  const SharedFolder folder;
  const std::pair<std::int64_t, const char*> cases[] = {
      {1, "none"}, {5, "none"}, {3, "degree"}, {4, "bfs"}, {6, "community"}};
  for (const auto& [chunks, order] : cases) {
    SCOPED_TRACE(order);
    const std::string many = folder.at("many" + std::to_string(chunks));
    const std::string one = folder.at("one" + std::to_string(chunks));
    PreprocessOptions options = cora(chunks);
    options.order = order;
    const Manifest manifest = preprocess_dataset(options, many, mpi_world());
    EXPECT_EQ(static_cast<std::int64_t>(manifest.chunks.size()), chunks);
    if (mpi_world().rank() != 0)
      continue;
    preprocess_dataset(options, one, *make_self_communicator());
    std::int64_t files = 0;
    for (const auto& entry : fs::directory_iterator(one)) {
      const std::string name = entry.path().filename();
      EXPECT_TRUE(testing::bytes_of(many + "/" + name) == testing::bytes_of(one + "/" + name))
          << name;
      ++files;
    }
    EXPECT_EQ(files, chunks + 1);
    EXPECT_EQ(std::distance(fs::directory_iterator(many), {}), files);
  }
}

/// Cora with a weight and a type of each edge.
PreprocessOptions cora_with_edge_attributes(const std::string& path, std::int64_t chunks) {
  PreprocessOptions options = cora(chunks);
  options.edges.path = path;
  options.edges.features = {"weight"};
  options.edges.type = "kind";
  options.edge_features.normalise = "standardise";
  options.clean.reverse_types = "own";
  options.clean.self_loop_fill = "mean";
  return options;
}

void write_edge_attributes(const std::string& path) {
  const std::string command = "gzip -dc '" + cora(1).edges.path +
                              "' | awk -F, 'NR == 1 {print $0 \",weight,kind\"} "
                              "NR > 1 {print $0 \",\" NR / 7 \",kind\" NR % 3}' > '" +
                              path + "'";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

TEST(Ranks, WriteTheSameEdgeAttributes) {
  const SharedFolder folder;
  const std::string table = folder.at("edges.csv");
  if (mpi_world().rank() == 0)
    write_edge_attributes(table);
  mpi_world().barrier();
  const PreprocessOptions options = cora_with_edge_attributes(table, 5);
  const Manifest manifest = preprocess_dataset(options, folder.at("many"), mpi_world());
  EXPECT_EQ(edge_type_count(manifest), 7);
  if (mpi_world().rank() != 0)
    return;
  preprocess_dataset(options, folder.at("one"), *make_self_communicator());
  for (const auto& entry : fs::directory_iterator(folder.at("one"))) {
    const std::string name = entry.path().filename();
    EXPECT_TRUE(testing::bytes_of(folder.at("many/" + name)) ==
                testing::bytes_of(folder.at("one/" + name)))
        << name;
  }
}

TEST(Ranks, AllLearnOfAnError) {
  const int last = mpi_world().size() - 1;
  testing::expect_error(ExitCode::kStorage, "only the last", [&] {
    run_on_all(mpi_world(), [&] {
      if (mpi_world().rank() == last)
        fail(ExitCode::kStorage, "only the last");
    });
  });
  // Rank 0 alone looks at the folder.
  const SharedFolder folder;
  if (mpi_world().rank() == 0) {
    fs::create_directory(folder.at("d"));
    std::ofstream(folder.at("d/other.txt")) << "x";
  }
  mpi_world().barrier();
  testing::expect_error(ExitCode::kUsage, "other.txt", [&] {
    preprocess_dataset(cora(2), folder.at("d"), mpi_world());
  });
}

TEST(Ranks, RefuseDifferentInput) {
  if (mpi_world().size() == 1)
    GTEST_SKIP() << "needs two ranks";
  const SharedFolder folder;
  PreprocessOptions options = cora(2);
  if (mpi_world().rank() == 1)
    options.clean.self_loops = "drop";
  testing::expect_error(ExitCode::kUsage, "read different data", [&] {
    preprocess_dataset(options, folder.at("d"), mpi_world());
  });
  EXPECT_FALSE(fs::exists(folder.at("d")));
}

}  // namespace
}  // namespace regatta
