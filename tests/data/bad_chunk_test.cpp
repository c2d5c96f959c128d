// Every fault of a chunk is refused with kData and a message that names the file and the place in
// it; no way of reading crashes. The faults come from tests/oracle/spoil_chunk.py, so another HDF5
// library than ours writes them.
#include "checkpoint/scratch_folder.h"
#include "core/error.h"
#include "data/chunk_reader.h"
#include "data/chunk_writer.h"
#include "data/dataset.h"
#include "data/dataset_verify.h"
#include "data/run_command.h"
#include "data/sample_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>

namespace regatta {
namespace {

using test::ScratchFolder;
using testing::HasSubstr;

struct Case {
  std::string name, object, words;
  bool good = false;
};

class BadChunk : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<ScratchFolder>();
    for (const char* name : {"dense", "sparse", "edges", "out"})
      std::filesystem::create_directory(*folder_ / name);
    test::write_sample_dataset(*folder_ / "dense", {.nodes = 60, .ids = "integer"});
    test::write_sample_dataset(*folder_ / "sparse", {.nodes = 60, .sparse = true, .ids = "text"});
    test::write_sample_dataset(*folder_ / "edges", {.nodes = 60, .edge_width = 2, .edge_types = 3});
    const auto made = test::run_oracle("spoil_chunk.py",
                                       *folder_ / "dense",
                                       *folder_ / "sparse",
                                       *folder_ / "edges",
                                       *folder_ / "out");
    ASSERT_EQ(made.code, 0) << made.output;
    const auto listed = nlohmann::json::parse(test::read_bytes(*folder_ / "out/cases.json"));
    for (const auto& item : listed) {
      Case c{item["case"], "", item["words"], item["object"].is_null()};
      if (!c.good)
        c.object = item["object"];
      cases_.push_back(c);
    }
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static std::string folder_of(const Case& c) { return *folder_ / ("out/" + c.name); }
  static ChunkReadRequest request(const std::string& folder, const Manifest& manifest, bool map) {
    return {.path = folder + "/" + manifest.chunks[0].file,
            .manifest = &manifest,
            .chunk = 0,
            .map = map};
  }

  static std::unique_ptr<ScratchFolder> folder_;
  static std::vector<Case> cases_;
};

std::unique_ptr<ScratchFolder> BadChunk::folder_;
std::vector<Case> BadChunk::cases_;

TEST_F(BadChunk, EachFaultIsRefusedByName) {
  int faults = 0;
  for (const Case& c : cases_) {
    if (c.good)
      continue;
    SCOPED_TRACE(c.name);
    ++faults;
    const Manifest manifest = read_manifest(folder_of(c));
    for (const bool map : {true, false}) {
      const ChunkReadRequest asked = request(folder_of(c), manifest, map);
      try {
        read_chunk_file(asked);
        ADD_FAILURE() << "was accepted";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::kData) << error.what();
        EXPECT_THAT(error.what(), HasSubstr(asked.path + ": " + c.object));
        EXPECT_THAT(error.what(), HasSubstr(c.words));
        EXPECT_THAT(error.what(), HasSubstr(c.object.empty() ? asked.path : c.object));
      }
    }
  }
  EXPECT_GE(faults, 75);
}

TEST_F(BadChunk, VerifyListsEachFault) {
  for (const Case& c : cases_) {
    if (c.good)
      continue;
    SCOPED_TRACE(c.name);
    const Manifest manifest = read_manifest(folder_of(c));
    const VerifyShare share = verify_chunks(folder_of(c), manifest, {.first = 0, .stride = 2});
    EXPECT_THAT(share.faults,
                testing::Contains(testing::AllOf(HasSubstr(c.object), HasSubstr(c.words))));
  }
}

TEST_F(BadChunk, OtherWritersMayDoThis) {
  int good = 0;
  for (const Case& c : cases_) {
    if (!c.good)
      continue;
    SCOPED_TRACE(c.name);
    ++good;
    const Manifest manifest = read_manifest(folder_of(c));
    const std::string base = c.words == "edges" ? "edges" : "dense";
    const GraphChunk original = Dataset(*folder_ / base).read_chunk(0).operator*();
    for (const bool map : {true, false}) {
      const GraphChunk chunk = read_chunk_file(request(folder_of(c), manifest, map));
      ASSERT_EQ(chunk.features.x.size(), original.features.x.size());
      // binary16 keeps 11 bits of the significand, bfloat16 8; the latter was cut, not rounded.
      const float tolerance = c.words == "half" ? 0x1p-11F : c.words == "bfloat16" ? 0x1p-7F : 0;
      for (std::size_t i = 0; i < chunk.features.x.size(); ++i)
        ASSERT_NEAR(chunk.features.x[i],
                    original.features.x[i],
                    tolerance * std::abs(original.features.x[i]) + tolerance * 1e-6F);
    }
  }
  EXPECT_EQ(good, 6);
}

TEST_F(BadChunk, NonFiniteFeaturesAreAllowedOnRequest) {
  const std::string folder = *folder_ / "out/nan_feature";
  const Dataset dataset(folder, {.allow_non_finite = true});
  EXPECT_TRUE(std::isnan(dataset.read_chunk(0)->features.x[6]));
  EXPECT_THROW(Dataset(folder, {}).read_chunk(0), Error);
  const std::string edges = *folder_ / "out/nan_edge_feature";
  const Dataset with_edges(edges, {.allow_non_finite = true});
  EXPECT_TRUE(std::isnan(with_edges.read_chunk(0)->edge_x[5]));
}

TEST_F(BadChunk, ChecksumsAreCheckedWhenAskedTo) {
  const std::string folder = *folder_ / "out/flipped_bit_in_an_array";
  EXPECT_THROW(Dataset(folder, {.verify = "open"}), Error);
  const Dataset first_use(folder, {.verify = "first_use"});
  EXPECT_THROW(first_use.read_chunk(0), Error);
  EXPECT_THROW(first_use.read_chunk(0), Error);  // a failed check is no check
  EXPECT_NO_THROW(Dataset(folder, {.verify = "never"}).read_chunk(0));
}

TEST_F(BadChunk, OpeningNamesAMissingChunk) {
  try {
    const Dataset dataset(*folder_ / "out/missing_file");
    ADD_FAILURE() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kData);
    EXPECT_THAT(error.what(), HasSubstr("chunk-000000.h5: is missing"));
  }
}

TEST_F(BadChunk, VerifyGoesOnAfterTheFirstFault) {
  const ScratchFolder folder;
  const test::Sample sample = test::write_sample_dataset(folder.path(), {.nodes = 60, .chunks = 3});
  for (int c = 0; c < 3; c += 2) {
    // One bit in each of the last two arrays of the file, wherever these lie.
    std::string bytes =
        test::read_bytes(folder / sample.manifest.chunks[static_cast<std::size_t>(c)].file);
    const GraphChunk& chunk = sample.chunks[static_cast<std::size_t>(c)];
    for (const auto* array : {reinterpret_cast<const char*>(chunk.features.x.data()),
                              reinterpret_cast<const char*>(chunk.global_id.data())}) {
      const std::size_t at = bytes.find(std::string(array, 40));
      ASSERT_NE(at, std::string::npos);
      bytes[at] = static_cast<char>(bytes[at] ^ 1);
    }
    test::write_bytes(folder / sample.manifest.chunks[static_cast<std::size_t>(c)].file, bytes);
  }
  const VerifyShare share = verify_chunks(folder.path(), sample.manifest, {});
  for (const char* file : {"chunk-000000.h5", "chunk-000002.h5"})
    for (const char* array : {"/nodes/x", "/nodes/global_id"})
      EXPECT_THAT(share.faults,
                  testing::Contains(
                      testing::AllOf(HasSubstr(file), HasSubstr(array), HasSubstr("CRC32C"))));
  EXPECT_THAT(share.faults, testing::Not(testing::Contains(HasSubstr("chunk-000001.h5"))));
}

TEST_F(BadChunk, VerifyComparesHaloNodesWithTheirOwners) {
  // Each file is right for itself, its checksums included.
  const ScratchFolder folder;
  test::Sample sample = test::write_sample_dataset(folder.path(), {.nodes = 60});
  GraphChunk chunk = sample.chunks[0];
  std::vector<std::int64_t> rows(chunk.owner_row.begin(), chunk.owner_row.end());
  std::swap(rows.front(), rows.back());
  chunk.owner_row = rows;
  sample.manifest.chunks[0] = write_chunk_file(folder.path(), chunk, sample.manifest.targets);
  const VerifyShare share = verify_chunks(folder.path(), sample.manifest, {});
  EXPECT_THAT(share.faults,
              testing::ElementsAre(testing::AllOf(HasSubstr("chunk-000000.h5: /nodes/owner_row"),
                                                  HasSubstr("points at node"))));
}

TEST_F(BadChunk, VerifyFindsANodeTwiceInAChunk) {
  const ScratchFolder folder;
  test::Sample sample = test::write_sample_dataset(folder.path(), {.nodes = 60, .hops = 1});
  GraphChunk chunk = sample.chunks[0];
  std::vector<std::int64_t> ids(chunk.global_id.begin(), chunk.global_id.end());
  ids[static_cast<std::size_t>(chunk.num_owned)] = ids[0];
  chunk.global_id = ids;
  sample.manifest.chunks[0] = write_chunk_file(folder.path(), chunk, sample.manifest.targets);
  const VerifyShare share = verify_chunks(folder.path(), sample.manifest, {});
  EXPECT_THAT(share.faults, testing::Contains(HasSubstr("occurs in two rings")));
}

TEST_F(BadChunk, VerifyCountsEdgeTypes) {
  for (const char* halo : {"exact", "one_hop", "none"}) {
    const ScratchFolder folder;
    Manifest manifest =
        test::write_sample_dataset(folder.path(), {.nodes = 60, .halo = halo, .edge_types = 3})
            .manifest;
    std::vector<std::int64_t> counts = verify_chunks(folder.path(), manifest, {}).edge_types;
    EXPECT_EQ(edge_types_fault("d", manifest, counts), "");
    --manifest.edge_types.counts[0];
    ++manifest.edge_types.counts[2];
    const std::string fault = edge_types_fault("d", manifest, counts);
    if (std::string(halo) == "none")
      EXPECT_EQ(fault, "");
    else
      EXPECT_THAT(fault, HasSubstr("d: edges of type 'type 0': the chunks have"));
  }
}

TEST_F(BadChunk, VerifyFindsANodeThatNobodyOwns) {
  Manifest manifest;
  manifest.nodes = 12;
  EXPECT_EQ(missing_nodes_fault("d", manifest, {0xFF, 0x0F}), "");
  EXPECT_THAT(missing_nodes_fault("d", manifest, {0xFF, 0x0B}),
              HasSubstr("node 10 is owned by no chunk"));
}

}  // namespace
}  // namespace regatta
