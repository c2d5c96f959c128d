// Bad raw files: each is refused with the documented exit code and the place, and leaves nothing
// behind.
#include "preprocess/pipeline.h"
#include "preprocess/test_folder.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

namespace regatta {
namespace {

using testing::expect_error;
using testing::TestFolder;

struct BadInput {
  const char* name;
  std::string edges = "src,dst\n0,1\n1,2\n";
  std::string nodes = "id,y,f\n0,a,1\n1,b,2\n2,a,3\n";
  std::string splits = "node,split\n0,train\n1,test\n";
  std::function<void(PreprocessOptions&)> change = {};
  ExitCode code = ExitCode::kData;
  std::string expected = {};
};

PreprocessOptions options_of(const TestFolder& folder, const BadInput& input) {
  PreprocessOptions options;
  options.edges.path = folder.write("edges.csv", input.edges);
  options.nodes.path = folder.write("nodes.csv", input.nodes);
  options.nodes.label = "y";
  options.splits.path = folder.write("split.csv", input.splits);
  options.ids = "integer";
  if (input.change)
    input.change(options);
  return options;
}

void as_svmlight(PreprocessOptions& options) {
  options.nodes.format = "svmlight";
  options.nodes.label = "";
}

const char* const kEdgesWithAttributes = "src,dst,w,kind\n0,1,0.5,a\n1,2,2,b\n";

void with_attributes(PreprocessOptions& options) {
  options.edges.features = {"w"};
  options.edges.type = "kind";
}

const BadInput kBadInputs[] = {
    {.name = "edge feature is a word",
     .edges = "src,dst,w,kind\n0,1,0.5,a\n1,2,heavy,b\n",
     .change = with_attributes,
     .expected = "edges.csv:3: column 'w' holds 'heavy', expected a number (edges.features"},
    {.name = "edge feature is infinite",
     .edges = "src,dst,w,kind\n0,1,-inf,a\n",
     .change = with_attributes,
     .expected = "edges.csv:2: column 'w' holds '-inf', expected a finite"},
    {.name = "edge feature is nan",
     .edges = "src,dst,w,kind\n0,1,1,a\n1,2,nan,b\n",
     .change = with_attributes,
     .expected = "edges.csv:3: edge feature 'w' has no value"},
    {.name = "edge feature is missing",
     .edges = "0,1,1,a\n1,2,,b\n",
     .change =
         [](auto& o) {
           o.edges.features = {"3"};
           o.edges.type = "4";
         },
     .expected = "edges.csv:2: edge feature 1 has no value"},
    {.name = "edge feature is too large once filled",
     .edges = "src,dst,w,kind\n0,1,1,a\n1,2,,a\n",
     .change =
         [](auto& o) {
           with_attributes(o);
           o.edge_features.fill = "constant";
           o.edge_features.fill_value = 1e300;
         },
     .expected = "edges.csv:3: edge feature 'w' is beyond 32-bit numbers"},
    {.name = "edge type is missing",
     .edges = "src,dst,w,kind\n0,1,1,\n",
     .change = with_attributes,
     .expected = "edges.csv:2: the edge has no type"},
    {.name = "edge type column is unknown",
     .edges = kEdgesWithAttributes,
     .change = [](auto& o) { o.edges.type = "kinds"; },
     .expected = "did you mean 'kind'?"},
    {.name = "edge feature column is unknown",
     .edges = kEdgesWithAttributes,
     .change = [](auto& o) { o.edges.features = {"weight"}; },
     .expected = "edges.features is 'weight', but the columns are src, dst, w, kind"},
    {.name = "edge type is called as self loops are",
     .edges = "src,dst,w,kind\n0,1,1,a\n1,2,1,self_loop\n",
     .change = with_attributes,
     .expected = "edges.csv:3: edge type 'self_loop' has the name that added self loops get"},
    {.name = "edge type is called as reversed edges are",
     .edges = "src,dst,w,kind\n0,1,1,a\n1,2,1,rev_a\n",
     .change =
         [](auto& o) {
           with_attributes(o);
           o.clean.reverse_types = "own";
         },
     .expected = "edges.csv:3: edge type 'rev_a' has the name that reversed edges get"},
    {.name = "duplicate of the same type under error",
     .edges = "src,dst,w,kind\n0,1,1,a\n0,1,1,b\n1,0,2,a\n",
     .change =
         [](auto& o) {
           with_attributes(o);
           o.clean.duplicates = "error";
         },
     .expected = "edges.csv:4: the edge was already given in line 2"},
    {.name = "types of reversed edges without types",
     .edges = kEdgesWithAttributes,
     .change = [](auto& o) { o.clean.reverse_types = "own"; },
     .code = ExitCode::kUsage,
     .expected = "clean.reverse_types: own needs edges.type"},
    {.name = "types of reversed edges of a directed graph",
     .edges = kEdgesWithAttributes,
     .change =
         [](auto& o) {
           with_attributes(o);
           o.clean.reverse_types = "own";
           o.clean.direction = "directed";
         },
     .code = ExitCode::kUsage,
     .expected = "clean.direction: undirected"},
    {.name = "edge features are normalised but not named",
     .edges = kEdgesWithAttributes,
     .change = [](auto& o) { o.edge_features.normalise = "min_max"; },
     .code = ExitCode::kUsage,
     .expected = "edges.features names no column"},
    {.name = "edge feature has no value at all",
     .edges = "src,dst,w,kind\n0,1,,a\n1,2,na,a\n",
     .change =
         [](auto& o) {
           with_attributes(o);
           o.edge_features.fill = "mean";
         },
     .expected = "edge_features: column 'w' has no value in any listed edge"},
    {.name = "edge features of no edge",
     .edges = "src,dst,w,kind\n",
     .change =
         [](auto& o) {
           with_attributes(o);
           o.edge_features.normalise = "standardise";
         },
     .expected =
         "edge_features: normalise: standardise is fitted on listed edges, but there are none"},
    {.name = "edge with one column",
     .edges = "src,dst\n0,1\n1\n",
     .expected = "edges.csv:3: the row has 1 column(s), expected 2"},
    {.name = "edge with three columns",
     .edges = "0,1\n1,2,5\n",
     .expected = "edges.csv:2: the row has 3 column(s)"},
    {.name = "edge id is a word",
     .edges = "src,dst\n0,1\nzero,1\n",
     .expected = "edges.csv:3: the source id 'zero' is not a 64-bit integer"},
    {.name = "edge id is beyond 64 bits",
     .edges = "src,dst\n0,99999999999999999999\n",
     .expected = "edges.csv:2: the destination id"},
    {.name = "edge id is a fraction",
     .edges = "src,dst\n0,1.5\n",
     .expected = "edges.csv:2: the destination id '1.5'"},
    {.name = "edge id is empty",
     .edges = "src,dst\n,1\n",
     .expected = "edges.csv:2: the source id is empty"},
    {.name = "edge to an unknown node",
     .edges = "src,dst\n0,1\n0,77\n",
     .expected = "edges.csv:3: the edge names node 77, which does not exist"},
    {.name = "edge with an open quote",
     .edges = "src,dst\n\"0,1\n",
     .expected = "edges.csv:2: a quote is opened and not closed"},
    {.name = "edges are not UTF-8",
     .edges = "src,dst\n0,\xff\xfe\n",
     .expected = "edges.csv:2: the row is not UTF-8"},
    {.name = "edges are binary",
     .edges = std::string("0,1\n\0\0,1\n", 10),
     .expected = "edges.csv:2: the row holds a NUL byte"},
    {.name = "one column only",
     .edges = "0\n1\n",
     .expected = "edges.destination is column 2, but the first row has 1"},
    {.name = "duplicate edge under error",
     .edges = "src,dst\n0,1\n1,0\n",
     .change = [](auto& o) { o.clean.duplicates = "error"; },
     .expected = "edges.csv:3: the edge was already given in line 2"},
    {.name = "unknown column name",
     .change = [](auto& o) { o.edges.source = "scr"; },
     .expected = "did you mean 'src'?"},
    {.name = "column number 0",
     .change = [](auto& o) { o.edges.source = "0"; },
     .expected = "edges.source is column 0"},
    {.name = "feature is a word",
     .nodes = "id,y,f\n0,a,1\n1,b,tall\n2,a,1\n",
     .expected = "nodes.csv:3: column 'f' holds 'tall', expected a number"},
    {.name = "feature is infinite",
     .nodes = "id,y,f\n0,a,1\n1,b,inf\n2,a,1\n",
     .expected = "nodes.csv:3: column 'f' holds 'inf', expected a finite"},
    {.name = "feature is beyond float32",
     .nodes = "id,y,f\n0,a,1e39\n1,b,1\n2,a,1\n",
     .expected = "nodes.csv:2: column 'f' holds '1e39'"},
    {.name = "feature is missing",
     .nodes = "id,y,f\n0,a,1\n1,b,\n2,a,1\n",
     .expected = "nodes.csv:3: feature 'f' has no value"},
    {.name = "feature is nan",
     .nodes = "id,y,f\n0,a,NaN\n1,b,1\n2,a,1\n",
     .expected = "nodes.csv:2: feature 'f' has no value"},
    {.name = "node given twice",
     .nodes = "id,y,f\n0,a,1\n1,b,2\n0,a,3\n2,a,1\n",
     .expected = "nodes.csv:4: node id 0 was already given in line 2"},
    {.name = "node id is a word",
     .nodes = "id,y,f\nx,a,1\n",
     .expected = "nodes.csv:2: the node id 'x'"},
    {.name = "no node at all", .nodes = "id,y,f\n", .expected = "name no node at all"},
    {.name = "empty node file", .nodes = "", .expected = "nodes.label is 'y', but the columns are"},
    {.name = "label of no column",
     .change = [](auto& o) { o.nodes.label = "z"; },
     .expected = "nodes.csv: nodes.label is 'z', but the columns are id, y, f"},
    {.name = "split name",
     .splits = "node,split\n0,train\n1,tset\n",
     .expected = "split.csv:3: split 'tset' is unknown"},
    {.name = "split of an unknown node",
     .splits = "node,split\n9,train\n",
     .expected = "split.csv:2: the split is for node 9"},
    {.name = "node in two splits",
     .splits = "node,split\n0,train\n1,val\n0,test\n",
     .expected = "split.csv:4: node 0 was already put into a split in line 2"},
    {.name = "split node without a label",
     .nodes = "id,y,f\n0,,1\n1,b,2\n2,a,3\n",
     .expected = "split.csv:2: node 0 is put into a split, but its label is unknown"},
    {.name = "svmlight pair",
     .nodes = "1 1:2\n1 2\n",
     .change = as_svmlight,
     .expected = "nodes.csv:2: '2' is not index:value"},
    {.name = "svmlight value",
     .nodes = "1 1:2\n1 2:x\n",
     .change = as_svmlight,
     .expected = "nodes.csv:2: '2:x' is not index:value with two numbers"},
    {.name = "svmlight index 0",
     .nodes = "1 0:2\n",
     .change = as_svmlight,
     .expected = "set nodes.first_index: 0"},
    {.name = "svmlight order",
     .nodes = "1 3:2 2:1\n",
     .change = as_svmlight,
     .expected = "nodes.csv:1: feature index 2 follows 3"},
    {.name = "svmlight index twice",
     .nodes = "1 3:2 3:1\n",
     .change = as_svmlight,
     .expected = "nodes.csv:1: feature index 3 follows 3"},
    {.name = "svmlight index too large",
     .nodes = "1 8:2\n",
     .change =
         [](auto& o) {
           as_svmlight(o);
           o.nodes.num_features = 5;
         },
     .expected = "nodes.csv:1: feature index 8 is outside [1, 5]"},
    {.name = "svmlight several labels",
     .nodes = "1,2 3:2\n",
     .change = as_svmlight,
     .expected = "nodes.csv:1: '1,2' are several labels"},
    {.name = "truncated gzip",
     .edges = std::string("\x1f\x8b\x08\0\0\0\0\0", 8),
     .expected = "edges.csv: the gzip stream ends in its middle"},
    {.name = "no such file",
     .change = [](auto& o) { o.edges.path += ".gone"; },
     .expected = "edges.csv.gone: cannot be opened"},
    {.name = "random splits without labels",
     .change =
         [](auto& o) {
           o.nodes.label = "";
           o.nodes.features = {"f"};
           o.splits.method = "random";
         },
     .code = ExitCode::kUsage,
     .expected = "no node has a label"},
    {.name = "splits larger than the data",
     .change =
         [](auto& o) {
           o.splits.method = "random";
           o.splits.train = 0.9;
         },
     .code = ExitCode::kUsage,
     .expected = "add up to 1.3"},
    {.name = "given splits without a path",
     .change =
         [](auto& o) {
           o.splits.method = "given";
           o.splits.path = "";
         },
     .code = ExitCode::kUsage,
     .expected = "splits.path is empty"},
    {.name = "num_nodes with text ids",
     .change =
         [](auto& o) {
           o.nodes.path = o.splits.path = "";
           o.ids = "text";
           o.num_nodes = 9;
         },
     .code = ExitCode::kUsage,
     .expected = "num_nodes is 9, but node ids are text"},
    {.name = "fit_from is no dataset",
     .change = [](auto& o) { o.features.fit_from = o.edges.path + ".d"; },
     .expected = "edges.csv.d"},
};

TEST(BadInput, NamesThePlaceAndWritesNothing) {
  const auto world = make_self_communicator();
  for (const BadInput& input : kBadInputs) {
    SCOPED_TRACE(input.name);
    const TestFolder folder;
    expect_error(input.code, input.expected, [&] {
      preprocess_dataset(options_of(folder, input), folder.at("dataset"), *world);
    });
    EXPECT_FALSE(std::filesystem::exists(folder.at("dataset")));
  }
}

TEST(BadInput, UnchangedInputIsGood) {
  const TestFolder folder;
  EXPECT_EQ(build_chunks(options_of(folder, {.name = "good"})).manifest.nodes, 3);
}

// Raw files with a few bytes changed, cut out or doubled: read, or refused by an Error; never
// anything else.
TEST(BadInput, MutationsNeverCrash) {
  std::mt19937 random(11);
  const auto mutate = [&](std::string text) {
    const std::size_t changes = random() % 3;
    for (std::size_t change = 0; change < changes; ++change) {
      const std::size_t at = random() % (text.size() + 1);
      const std::size_t length = random() % 4;
      if (random() % 3 == 0)
        text.erase(at, length);
      if (random() % 3 == 0)
        text.insert(at, text.substr(at, length));
      if (at < text.size())
        text[at] = static_cast<char>("\"\n\r,:#-0\0\xff 9e.\t"[random() % 16]);
    }
    return text;
  };
  int good = 0, refused = 0;
  for (int round = 0; round < 1000; ++round) {
    const TestFolder folder;
    BadInput input{.name = ""};
    const bool attributes = round % 4 == 1;
    if (attributes)
      input.edges = kEdgesWithAttributes;
    input.edges = mutate(input.edges);
    if (round % 2 == 0)
      input.nodes = "1 1:2 3:0.5\n0 2:1\n-1\n1 1:3 # node 3\n";
    input.nodes = mutate(input.nodes);
    input.splits = mutate(input.splits);
    PreprocessOptions options = options_of(folder, input);
    if (round % 2 == 0)
      as_svmlight(options);
    if (attributes)
      with_attributes(options);
    if (round % 3 == 0)
      options.ids = "auto";
    if (round % 5 == 0)
      options.clean.bad_rows = options.clean.unknown_nodes = "report";
    try {
      validate_csr(build_chunks(options).chunks.at(0).graph.view(), "mutated");
      ++good;
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ExitCode::kData || error.code() == ExitCode::kUsage)
          << error.what();
      ++refused;
    }
  }
  EXPECT_GT(good, 100);
  EXPECT_GT(refused, 100);
}

// Skipping leaves the good rows; reporting also lists the bad ones with their places.
TEST(BadInput, SkippedAndReported) {
  const TestFolder folder;
  const auto world = make_self_communicator();
  const BadInput input{.name = "",
                       .edges = "src,dst\n0,1\n1\n1,2\n0,77\nx,2\n",
                       .nodes = "id,y,f\n0,a,1\n1,b,2\n2,a,3\n2,b,4\n3,b,tall\n",
                       .splits = "node,split\n0,train\n1,tset\n3,test\n"};
  PreprocessOptions options = options_of(folder, input);
  options.clean.bad_rows = "skip";
  expect_error(
      ExitCode::kData, "edges.csv:5: the edge names node 77", [&] { build_chunks(options); });
  options.clean.unknown_nodes = "skip";
  EXPECT_EQ(build_chunks(options).manifest.edges, 4 + 3);
  EXPECT_EQ(build_chunks(options).manifest.nodes, 3);
  preprocess_dataset(options, folder.at("skipped"), *world);
  EXPECT_FALSE(std::filesystem::exists(folder.at("skipped/bad_rows.csv")));
  options.clean.bad_rows = options.clean.unknown_nodes = "report";
  preprocess_dataset(options, folder.at("reported"), *world);
  const std::string listed = testing::bytes_of(folder.at("reported/bad_rows.csv"));
  for (const char* place : {"edges.csv:3",
                            "edges.csv:5",
                            "edges.csv:6",
                            "nodes.csv:5",
                            "nodes.csv:6",
                            "split.csv:3",
                            "split.csv:4"}) {
    EXPECT_NE(listed.find(place), std::string::npos) << place << " in\n" << listed;
  }
  EXPECT_EQ(std::count(listed.begin(), listed.end(), '\n'), 8);
}

}  // namespace
}  // namespace regatta
