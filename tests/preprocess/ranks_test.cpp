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
  for (const std::int64_t chunks : {1, 5}) {
    const std::string many = folder.at("many" + std::to_string(chunks));
    const std::string one = folder.at("one" + std::to_string(chunks));
    const Manifest manifest = preprocess_dataset(cora(chunks), many, mpi_world());
    EXPECT_EQ(static_cast<std::int64_t>(manifest.chunks.size()), chunks);
    if (mpi_world().rank() != 0)
      continue;
    preprocess_dataset(cora(chunks), one, *make_self_communicator());
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
