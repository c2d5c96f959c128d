// Every fault of a manifest is refused with kData and a message that names the file and the JSON
// path.
#include "checkpoint/scratch_folder.h"
#include "core/error.h"
#include "data/dataset.h"
#include "data/sample_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace regatta {
namespace {

using Json = nlohmann::ordered_json;
using test::ScratchFolder;
using testing::HasSubstr;

struct Case {
  const char* name;
  const char* path;  ///< what the message must name
  const char* words;
  std::function<void(Json&)> edit;
};

void bump(Json& number) {
  number = number.get<std::int64_t>() + 1;
}

/// A change of one chunk's file name.
Case file_name(const char* name, const char* words, const char* file) {
  return {name, "chunks[0].file", words, [file](Json& m) { m["chunks"][0]["file"] = file; }};
}

std::vector<Case> identity_cases() {
  return {
      {"OtherFormat", "format", "'regatta-dataset'", [](Json& m) { m["format"] = "zip"; }},
      {"NewerMajor",
       "version",
       "newer Regatta",
       [](Json& m) {
         m["version"] = {2, 0};
       }},
      {"VersionZero",
       "version",
       "expected 1",
       [](Json& m) {
         m["version"] = {0, 9};
       }},
      {"VersionAsText", "version", "a list", [](Json& m) { m["version"] = "1.0"; }},
      {"VersionOfThree",
       "version",
       "[major, minor]",
       [](Json& m) {
         m["version"] = {1, 0, 0};
       }},
      {"NoVersion", "version", "this key", [](Json& m) { m.erase("version"); }},
      {"ReservedLayout", "layout", "homogeneous", [](Json& m) { m["layout"] = "heterogeneous"; }},
      {"ListForAnObject", "graph", "an object", [](Json& m) { m["graph"] = Json::array(); }},
      {"NodesAsText", "graph.nodes", "an integer", [](Json& m) { m["graph"]["nodes"] = "60"; }},
      {"NegativeEdges",
       "graph.edges",
       "an integer in [0",
       [](Json& m) { m["graph"]["edges"] = -1; }},
      {"NodesAsFraction", "graph.nodes", "an integer", [](Json& m) { m["graph"]["nodes"] = 60.5; }},
      {"NodesBeyond63Bits",
       "graph.nodes",
       "an integer in [0",
       [](Json& m) { m["graph"]["nodes"] = std::uint64_t{1} << 63; }},
      {"DirectedAsNumber",
       "graph.directed",
       "true or false",
       [](Json& m) { m["graph"]["directed"] = 1; }},
      {"SelfLoops",
       "graph.self_loops",
       "add | drop | keep",
       [](Json& m) { m["graph"]["self_loops"] = "maybe"; }},
      {"NoSource", "source", "this key", [](Json& m) { m.erase("source"); }},
      {"Ids", "ids", "none | integer | text", [](Json& m) { m["ids"] = "uuid"; }},
  };
}

std::vector<Case> feature_cases() {
  return {
      {"FeatureKind",
       "features.kind",
       "dense | sparse",
       [](Json& m) { m["features"]["kind"] = "tokens"; }},
      {"FeatureType",
       "features.dtype",
       "float32",
       [](Json& m) { m["features"]["dtype"] = "int8"; }},
      {"TooWide",
       "features.width",
       "2^31",
       [](Json& m) { m["features"]["width"] = std::int64_t{1} << 40; }},
      {"NamesOfOtherWidth",
       "features.names",
       "each of the 5 columns",
       [](Json& m) {
         m["features"]["names"] = {"a", "b"};
       }},
      {"NumbersAsNames",
       "features.names[0]",
       "text",
       [](Json& m) {
         m["features"]["names"] = {1, 2};
       }},
      {"StandardiseWithoutConstants",
       "features.normalise",
       "offset and scale",
       [](Json& m) { m["features"]["normalise"] = "standardise"; }},
      {"NonFiniteScale",
       "features.scale[0]",
       "a finite number",
       [](Json& m) {
         m["features"]["scale"] = Json::array({nullptr, 1, 1, 1, 1});
       }},
      {"Fill", "features.fill", "error | zero", [](Json& m) { m["features"]["fill"] = "guess"; }},
  };
}

std::vector<Case> edge_cases() {
  return {
      {"EdgeWidthZero",
       "edge_features.width",
       "1 or more",
       [](Json& m) { m["edge_features"]["width"] = 0; }},
      {"EdgeWidthTooLarge",
       "edge_features.width",
       "2^31",
       [](Json& m) { m["edge_features"]["width"] = std::int64_t{1} << 40; }},
      {"EdgeFeaturesAsList",
       "edge_features",
       "an object",
       [](Json& m) { m["edge_features"] = Json::array(); }},
      {"EdgeNamesOfOtherWidth",
       "edge_features.names",
       "each of the 2 columns",
       [](Json& m) {
         m["edge_features"]["names"] = {"a", "b", "c"};
       }},
      {"EdgeNormaliseWithoutConstants",
       "edge_features.normalise",
       "offset and scale",
       [](Json& m) { m["edge_features"]["normalise"] = "min_max"; }},
      {"NoEdgeFill",
       "edge_features.fill",
       "this key",
       [](Json& m) { m["edge_features"].erase("fill"); }},
      {"NoEdgeTypes",
       "edge_types.names",
       "1 to 65535",
       [](Json& m) {
         m["edge_types"] = {{"names", Json::array()}, {"counts", Json::array()}};
       }},
      {"TooManyEdgeTypes",
       "edge_types.names",
       "1 to 65535",
       [](Json& m) {
         for (int t = 3; t < 65536; ++t)
           m["edge_types"]["names"].push_back("type " + std::to_string(t));
       }},
      {"EdgeTypeTwice",
       "edge_types.names",
       "names must differ",
       [](Json& m) { m["edge_types"]["names"][2] = "type 0"; }},
      {"EdgeCountMissing",
       "edge_types.counts",
       "one count a type",
       [](Json& m) { m["edge_types"]["counts"].erase(0); }},
      {"EdgeCountsOfOtherSum",
       "edge_types.counts",
       "graph.edges",
       [](Json& m) { bump(m["edge_types"]["counts"][1]); }},
      {"EdgeCountsOverflow",
       "edge_types.counts",
       "graph.edges",
       [](Json& m) {
         m["edge_types"]["counts"] = {INT64_MAX, INT64_MAX, 2};
       }},
  };
}

std::vector<Case> target_cases() {
  return {
      {"Level",
       "targets.label.level",
       "node",
       [](Json& m) { m["targets"]["label"]["level"] = "edge"; }},
      {"Kind",
       "targets.label.kind",
       "class",
       [](Json& m) { m["targets"]["label"]["kind"] = "real"; }},
      {"NoClasses",
       "targets.label.classes",
       "at least one",
       [](Json& m) { m["targets"]["label"]["classes"] = Json::array(); }},
      {"ClassTwice",
       "targets.label.classes",
       "names must differ",
       [](Json& m) { m["targets"]["label"]["classes"][1] = "class 0"; }},
      {"CountsOfOtherWidth",
       "targets.label.counts.val",
       "one count a class",
       [](Json& m) { m["targets"]["label"]["counts"]["val"].push_back(0); }},
      {"WrongCountSum",
       "targets.label.counts.train",
       "sum over chunks",
       [](Json& m) { bump(m["targets"]["label"]["counts"]["train"][0]); }},
      {"NoCountsOfASplit",
       "targets.label.counts.test",
       "this key",
       [](Json& m) { m["targets"]["label"]["counts"].erase("test"); }},
      {"ChunkCountsOfOtherWidth",
       "chunks[1].class_counts.label.test",
       "one a class",
       [](Json& m) { m["chunks"][1]["class_counts"]["label"]["test"].push_back(0); }},
      {"NoChunkCounts",
       "chunks[1].class_counts.label",
       "this key",
       [](Json& m) { m["chunks"][1]["class_counts"].erase("label"); }},
      {"SlashInATargetsName",
       "targets.a/b",
       "without '/'",
       [](Json& m) {
         m["targets"]["a/b"] = m["targets"]["label"];
         for (Json& chunk : m["chunks"])
           chunk["class_counts"]["a/b"] = chunk["class_counts"]["label"];
       }},
      {"MoreLabelsThanNodes",
       "chunks[0].class_counts.label",
       "one an owned node",
       [](Json& m) {
         m["chunks"][0]["class_counts"]["label"]["train"][0] = 1000000;
         m["targets"]["label"]["counts"]["train"][0] = 1000000;
       }},
  };
}

std::vector<Case> chunk_cases() {
  return {
      file_name("AbsolutePath", "absolute", "/etc/passwd"),
      file_name("ParentFolder", "'..'", "../chunk-000000.h5"),
      file_name("SubFolder", "'/'", "a/chunk-000000.h5"),
      file_name("NoName", "no name", ""),
      file_name("DotsAlone", "'..'", ".."),
      {"FileTwice",
       "chunks[1].file",
       "each file once",
       [](Json& m) { m["chunks"][1]["file"] = m["chunks"][0]["file"]; }},
      {"ChunkTwice",
       "chunks[2].file",
       "each file once",
       [](Json& m) { m["chunks"].push_back(m["chunks"][0]); }},
      {"NoChunks", "chunks", "at least one", [](Json& m) { m["chunks"] = Json::array(); }},
      {"ChunkWithoutRows",
       "chunks[1].rows",
       "this key",
       [](Json& m) { m["chunks"][1].erase("rows"); }},
      {"CrcAsNumber", "chunks[0].crc32c", "text", [](Json& m) { m["chunks"][0]["crc32c"] = 7; }},
      {"CrcOfSevenDigits",
       "chunks[0].crc32c",
       "hexadecimal",
       [](Json& m) { m["chunks"][0]["crc32c"] = "abcdef0"; }},
      {"OwnedAboveRows",
       "chunks[0].owned",
       "at most rows",
       [](Json& m) { m["chunks"][0]["owned"] = m["chunks"][0]["rows"].get<int>() + 1; }},
      {"RowsAboveNodes",
       "chunks[0].rows",
       "at most nodes",
       [](Json& m) { m["chunks"][0]["rows"] = m["chunks"][0]["nodes"].get<int>() + 1; }},
      {"TooManyNodes",
       "chunks[0].nodes",
       "2^31",
       [](Json& m) { m["chunks"][0]["nodes"] = std::int64_t{1} << 31; }},
      {"Graphs", "chunks[0].graphs", "reserved", [](Json& m) { m["chunks"][0]["graphs"] = 3; }},
  };
}

std::vector<Case> sum_cases() {
  return {
      {"TotalBytes",
       "totals.bytes",
       "sum over chunks",
       [](Json& m) { bump(m["totals"]["bytes"]); }},
      {"TotalOwned",
       "totals.owned",
       "sum over chunks",
       [](Json& m) { bump(m["totals"]["owned"]); }},
      {"TotalEdges",
       "totals.edges",
       "sum over chunks",
       [](Json& m) { bump(m["totals"]["edges"]); }},
      {"NodesNotOwned",
       "graph.nodes",
       "exactly one chunk",
       [](Json& m) { bump(m["graph"]["nodes"]); }},
      {"Replication",
       "partition.replication",
       "chunk nodes / nodes",
       [](Json& m) { m["partition"]["replication"] = 1.0; }},
      {"EdgeCut",
       "partition.edge_cut",
       "at most",
       [](Json& m) { m["partition"]["edge_cut"] = 1000000; }},
      {"OverflowingSum",
       "totals.edges",
       "sum over chunks",
       [](Json& m) {
         for (Json& chunk : m["chunks"]) chunk["edges"] = INT64_MAX;
       }},
      {"HaloMode",
       "halo.mode",
       "exact | one_hop | none",
       [](Json& m) { m["halo"]["mode"] = "exchange"; }},
      {"HopsOfNone", "halo.hops", "0 for none", [](Json& m) { m["halo"]["mode"] = "none"; }},
      {"TooManyHops", "halo.hops", "1 to 64", [](Json& m) { m["halo"]["hops"] = 65; }},
  };
}

class BadManifest : public testing::TestWithParam<Case> {};

TEST_P(BadManifest, IsRefused) {
  const ScratchFolder folder;
  test::write_sample_dataset(folder.path(), {.nodes = 60, .edge_width = 2, .edge_types = 3});
  const std::string file = folder / "manifest.json";
  Json manifest = Json::parse(test::read_bytes(file));
  GetParam().edit(manifest);
  test::write_bytes(file, manifest.dump());
  try {
    const Dataset dataset(folder.path());
    ADD_FAILURE() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kData);
    EXPECT_THAT(error.what(), HasSubstr(file + ": " + GetParam().path));
    EXPECT_THAT(error.what(), HasSubstr(GetParam().words));
  }
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Identity, BadManifest, testing::ValuesIn(identity_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(Features, BadManifest, testing::ValuesIn(feature_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(Edges, BadManifest, testing::ValuesIn(edge_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(Targets, BadManifest, testing::ValuesIn(target_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(Chunks, BadManifest, testing::ValuesIn(chunk_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(Sums, BadManifest, testing::ValuesIn(sum_cases()), name_of);

/// Text that is no manifest at all.
void expect_text_refused(const std::string& text, const std::string& words) {
  const ScratchFolder folder;
  test::write_bytes(folder / "manifest.json", text);
  try {
    read_manifest(folder.path());
    ADD_FAILURE() << "was accepted: " << text.substr(0, 60);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kData);
    EXPECT_THAT(error.what(), HasSubstr("manifest.json: " + words));
  }
}

TEST(ManifestText, ThatIsNoManifestIsRefused) {
  expect_text_refused("", "not valid JSON");
  expect_text_refused("{\"format\": ", "not valid JSON");
  expect_text_refused("[]", "the document: found [], expected an object");
  expect_text_refused("null", "the document: found null");
  expect_text_refused("{\"format\": \"regatta-dataset\", \"format\": 1}",
                      "key 'format' occurs twice");
  expect_text_refused("{\"format\": \"\xff\"}", "not valid JSON");
  expect_text_refused("{\"a\": 1e999}", "not valid JSON");
  // Deep nesting must not exhaust the stack, neither when it is parsed nor when it is printed.
  expect_text_refused(std::string(1000000, '['), "nested deeper");
  expect_text_refused(std::string(200000, '[') + std::string(200000, ']'), "nested deeper");
}

TEST(ManifestText, MissingManifestSaysWhatToDo) {
  const ScratchFolder folder;
  try {
    read_manifest(folder.path());
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kData);
    EXPECT_THAT(error.what(), HasSubstr("regatta preprocess"));
  }
}

TEST(ManifestText, NewerMinorVersionWithUnknownKeysIsRead) {
  const ScratchFolder folder;
  test::write_sample_dataset(folder.path(), {.nodes = 60});
  Json manifest = Json::parse(test::read_bytes(folder / "manifest.json"));
  manifest["version"] = {1, 7};
  manifest["colour"] = "blue";
  manifest["chunks"][0]["colour"] = "red";
  test::write_bytes(folder / "manifest.json", manifest.dump());
  EXPECT_EQ(read_manifest(folder.path()).version_minor, 7);
}

TEST(ManifestText, DigestDependsOnContentAndNotOnItsOrigin) {
  const ScratchFolder folder;
  Manifest manifest = test::write_sample_dataset(folder.path(), {.nodes = 60}).manifest;
  const std::string digest = dataset_digest(manifest);
  EXPECT_EQ(digest.size(), 8U);
  manifest.source = {{"file", "elsewhere"}};
  EXPECT_EQ(dataset_digest(manifest), digest);
  manifest.chunks[1].crc32c ^= 1;
  EXPECT_NE(dataset_digest(manifest), digest);
}

}  // namespace
}  // namespace regatta
