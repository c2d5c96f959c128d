// Datasets of format 1.0 are read as before, and are what is written where edges have no
// attributes. format_1_0.tar.gz is what the program of docs/chunk_format.md wrote when the format
// was 1.0.
#include "checkpoint/scratch_folder.h"
#include "core/error.h"
#include "data/dataset.h"
#include "data/dataset_report.h"
#include "data/dataset_verify.h"
#include "data/run_command.h"
#include "data/sample_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regatta {
namespace {

using Json = nlohmann::ordered_json;
using test::ScratchFolder;

class Format10 : public testing::Test {
 protected:
  void SetUp() override {
    const auto unpacked =
        test::run_command(std::string("tar -xzf '") + REGATTA_SOURCE_DIR +
                          "/tests/data/format_1_0.tar.gz' -C '" + folder_.path() + "' 2>&1");
    ASSERT_EQ(unpacked.code, 0) << unpacked.output;
  }
  std::string dataset() const { return folder_ / "format_1_0"; }
  std::string manifest_file() const { return dataset() + "/manifest.json"; }

  ScratchFolder folder_;
};

TEST_F(Format10, IsReadAsBefore) {
  const Dataset dataset(this->dataset(), {.verify = "open"});
  const Manifest& manifest = dataset.manifest();
  EXPECT_EQ(manifest.version_minor, 0);
  EXPECT_FALSE(manifest.has_edge_attributes());
  const VerifyShare share = verify_chunks(this->dataset(), manifest, {});
  EXPECT_THAT(share.faults, testing::IsEmpty());
  EXPECT_EQ(missing_nodes_fault(this->dataset(), manifest, share.owned_nodes), "");
  std::int64_t owned_edges = 0;
  for (std::int64_t c = 0; c < dataset.num_chunks(); ++c) {
    const auto chunk = dataset.read_chunk(c);
    EXPECT_FALSE(chunk->has_edge_attributes());
    EXPECT_TRUE(chunk->edge_x.empty());
    EXPECT_TRUE(chunk->edge_type.empty());
    owned_edges += chunk->graph.indptr[static_cast<std::size_t>(chunk->num_owned)];
  }
  EXPECT_EQ(owned_edges, 532);
  EXPECT_THAT(report_to_text(inspect_dataset(dataset), dataset),
              testing::HasSubstr("(format 1.0, digest "));
}

// Checkpoints hold the digest of their dataset: it may not change with the version of the reader.
TEST_F(Format10, KeepsItsDigest) {
  EXPECT_EQ(dataset_digest(read_manifest(dataset())), "37cd0716");
}

TEST_F(Format10, IgnoresKeysThatItDoesNotHave) {
  Json manifest = Json::parse(test::read_bytes(manifest_file()));
  manifest["edge_types"] = "a user's own note";
  manifest["edge_features"] = {{"width", 3}};
  test::write_bytes(manifest_file(), manifest.dump());
  EXPECT_FALSE(read_manifest(dataset()).has_edge_attributes());
  EXPECT_NO_THROW(Dataset(dataset(), {.verify = "open"}));
}

TEST(FormatVersion, IsTheLowestThatSaysEverything) {
  const struct {
    test::SampleSpec spec;
    int minor;
  } cases[] = {{{}, 0}, {{.edge_width = 2}, 1}, {{.edge_types = 2}, 1}};
  for (const auto& [spec, minor] : cases) {
    const ScratchFolder folder;
    test::write_sample_dataset(folder.path(), spec);
    const Json manifest = Json::parse(test::read_bytes(folder / "manifest.json"));
    EXPECT_EQ(manifest.at("version"), Json({1, minor}));
    EXPECT_EQ(manifest.contains("edge_features"), spec.edge_width > 0);
    EXPECT_EQ(manifest.contains("edge_types"), spec.edge_types > 0);
  }
}

}  // namespace
}  // namespace regatta
