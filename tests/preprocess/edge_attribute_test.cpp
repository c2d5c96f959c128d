// Features and types of edges: cleaning by hand, chunks against the whole graph, and everything
// against what scikit-learn and PyG make of the same table.
#include "data/dataset.h"
#include "graph/partition.h"
#include "preprocess/pipeline.h"
#include "preprocess/test_folder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <tuple>

namespace regatta {
namespace {

using testing::expect_error;
using testing::TestFolder;

using Features = std::vector<float>;
using Edge = std::tuple<std::int64_t, std::int64_t, Features, std::string>;  // dst, src, x, type
using Edges = std::multiset<Edge>;

void add_edges(const GraphChunk& chunk, std::int64_t rows, const Manifest& manifest, Edges& edges) {
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t e = chunk.graph.indptr[row]; e < chunk.graph.indptr[row + 1]; ++e) {
      const auto x = chunk.edge_x.begin() + e * chunk.edge_width;
      edges.emplace(chunk.global_id[row],
                    chunk.global_id[chunk.graph.src[e]],
                    Features(x, x + chunk.edge_width),
                    chunk.typed_edges ? manifest.edge_types.names.at(chunk.edge_type[e]) : "");
    }
  }
}

Edges owned_edges(const DatasetInMemory& dataset) {
  Edges edges;
  for (const GraphChunk& chunk : dataset.chunks)
    add_edges(chunk, chunk.num_owned, dataset.manifest, edges);
  return edges;
}

// 0-1 in both directions, 1-2 twice with two types, a self loop, and node 3 alone.
const char* const kTable =
    "src,dst,w,kind,v\n"
    "0,1,1,knows,10\n"
    "1,0,2,knows,20\n"
    "1,2,3,knows,30\n"
    "1,2,4,likes,40\n"
    "1,2,5,likes,50\n"
    "2,2,6,likes,60\n";

PreprocessOptions table_options(const TestFolder& folder, const std::string& table = kTable) {
  PreprocessOptions options;
  options.edges.path = folder.write("edges.csv", table);
  options.edges.features = {"w", "v"};
  options.edges.type = "kind";
  options.num_nodes = 4;
  options.clean.self_loops = "drop";
  return options;
}

TEST(EdgeAttributes, TheFirstOfDuplicatesCountsForBothDirections) {
  const TestFolder folder;
  const DatasetInMemory dataset = build_chunks(table_options(folder));
  EXPECT_EQ(owned_edges(dataset),
            (Edges{{1, 0, {1, 10}, "knows"},
                   {0, 1, {1, 10}, "knows"},
                   {2, 1, {3, 30}, "knows"},
                   {1, 2, {3, 30}, "knows"},
                   {2, 1, {4, 40}, "likes"},
                   {1, 2, {4, 40}, "likes"}}));
  const Manifest& manifest = dataset.manifest;
  EXPECT_EQ(manifest.version_minor, 1);
  EXPECT_EQ(manifest.edge_features.names, (std::vector<std::string>{"w", "v"}));
  EXPECT_EQ(manifest.edge_types.names, (std::vector<std::string>{"knows", "likes"}));
  EXPECT_EQ(manifest.edge_types.counts, (std::vector<std::int64_t>{4, 2}));
}

TEST(EdgeAttributes, WithoutTypesParallelEdgesAreDuplicates) {
  const TestFolder folder;
  PreprocessOptions options = table_options(folder);
  options.edges.type = "";
  options.clean.direction = "directed";
  EXPECT_EQ(owned_edges(build_chunks(options)),
            (Edges{{1, 0, {1, 10}, ""}, {0, 1, {2, 20}, ""}, {2, 1, {3, 30}, ""}}));
  options.edges.features = {"v"};
  options.clean.direction = "reversed";
  options.clean.self_loops = "keep";
  EXPECT_EQ(owned_edges(build_chunks(options)),
            (Edges{{0, 1, {10}, ""}, {1, 0, {20}, ""}, {1, 2, {30}, ""}, {2, 2, {60}, ""}}));
}

TEST(EdgeAttributes, ReversedEdgesMayHaveTypesOfTheirOwn) {
  const TestFolder folder;
  PreprocessOptions options = table_options(folder);
  options.clean.reverse_types = "own";
  const DatasetInMemory dataset = build_chunks(options);
  EXPECT_EQ(owned_edges(dataset),
            (Edges{{1, 0, {1, 10}, "knows"},
                   {0, 1, {1, 10}, "rev_knows"},
                   {0, 1, {2, 20}, "knows"},
                   {1, 0, {2, 20}, "rev_knows"},
                   {2, 1, {3, 30}, "knows"},
                   {1, 2, {3, 30}, "rev_knows"},
                   {2, 1, {4, 40}, "likes"},
                   {1, 2, {4, 40}, "rev_likes"}}));
  EXPECT_EQ(dataset.manifest.edge_types.names,
            (std::vector<std::string>{"knows", "likes", "rev_knows", "rev_likes"}));
}

TEST(EdgeAttributes, AddedSelfLoopsAreZeroOrTheMeanOfTheirNode) {
  const TestFolder folder;
  PreprocessOptions options = table_options(folder);
  options.clean.direction = "directed";
  options.clean.self_loops = "add";
  const auto loops = [&] {
    std::map<std::int64_t, Features> found;
    for (const auto& [dst, src, x, type] : owned_edges(build_chunks(options))) {
      EXPECT_EQ(type == "self_loop", dst == src);
      if (dst == src)
        found.emplace(dst, x);
    }
    return found;
  };
  const Features zero{0, 0};
  EXPECT_EQ(loops(),
            (std::map<std::int64_t, Features>{{0, zero}, {1, zero}, {2, zero}, {3, zero}}));
  options.clean.self_loop_fill = "mean";
  EXPECT_EQ(
      loops(),
      (std::map<std::int64_t, Features>{{0, {2, 20}}, {1, {1, 10}}, {2, {3.5, 35}}, {3, zero}}));
}

TEST(EdgeAttributes, AddedSelfLoopsHaveThemWithoutAnyListedEdge) {
  const TestFolder folder;
  PreprocessOptions options = table_options(folder, "src,dst,w,kind,v\n");
  options.clean = {.self_loops = "add", .self_loop_fill = "mean"};
  options.num_nodes = 2;
  EXPECT_EQ(owned_edges(build_chunks(options)),
            (Edges{{0, 0, {0, 0}, "self_loop"}, {1, 1, {0, 0}, "self_loop"}}));
}

TEST(EdgeAttributes, IntegerTypesAreInNumericOrder) {
  const TestFolder folder;
  PreprocessOptions options =
      table_options(folder, "src,dst,w,kind,v\n0,1,1,10,0\n1,2,1,9,0\n2,3,1,-1,0\n0,3,1,+9,0\n");
  EXPECT_EQ(build_chunks(options).manifest.edge_types.names,
            (std::vector<std::string>{"-1", "9", "10"}));
}

TEST(EdgeAttributes, IsolatedNodesTakeNoAttributesAlong) {
  const TestFolder folder;
  PreprocessOptions options =
      table_options(folder, "src,dst,w,kind,v\n0,0,1,a,10\n3,1,2,b,20\n1,1,3,c,30\n3,2,4,b,40\n");
  options.clean.isolated = "drop";
  options.clean.self_loops = "keep";
  options.clean.direction = "directed";
  const DatasetInMemory dataset = build_chunks(options);
  EXPECT_EQ(owned_edges(dataset),
            (Edges{{0, 2, {2, 20}, "b"}, {0, 0, {3, 30}, "c"}, {1, 2, {4, 40}, "b"}}));
  EXPECT_EQ(dataset.manifest.edge_types.names, (std::vector<std::string>{"b", "c"}));
}

/// Rows with gaps in `w`, parallel edges, self loops.
std::string random_table(const std::vector<std::string>& types, bool gaps) {
  std::mt19937 random(13);
  std::string table = "src,dst,w,kind,v\n";
  for (int e = 0; e < 150; ++e) {
    const double w = static_cast<double>(random() % 1000) / 7 - 40;
    table += std::to_string(random() % 40) + "," + std::to_string(random() % 40) + "," +
             (gaps && e % 9 == 4 ? "" : std::to_string(w)) + "," + types[random() % types.size()] +
             "," + std::to_string(random() % 5) + "\n";
  }
  return table;
}

PreprocessOptions random_options(const TestFolder& folder) {
  PreprocessOptions options = table_options(folder, random_table({"a", "b", "c"}, false));
  options.num_nodes = 40;
  return options;
}

class EdgeAttributeChunks : public ::testing::TestWithParam<std::string> {};

TEST_P(EdgeAttributeChunks, HoldTheEdgesOfTheWholeGraph) {
  const TestFolder folder;
  PreprocessOptions options = random_options(folder);
  options.clean = {.duplicates = "keep", .self_loops = "add", .self_loop_fill = "mean"};
  options.edge_features.normalise = "standardise";
  options.partition.method = GetParam();
  const Edges whole = owned_edges(build_chunks(options));
  ASSERT_GT(whole.size(), 300U);
  for (const std::string mode : {"exact", "one_hop"}) {
    options.halo = {mode, 2};
    options.partition.chunks = 5;
    const DatasetInMemory dataset = build_chunks(options);
    EXPECT_EQ(owned_edges(dataset), whole) << mode;
    // Edges of the halo have the attributes that they have where they are owned.
    for (const GraphChunk& chunk : dataset.chunks) {
      Edges all;
      add_edges(chunk, chunk.num_rows(), dataset.manifest, all);
      EXPECT_GT(chunk.num_rows(), chunk.num_owned);
      EXPECT_TRUE(std::includes(whole.begin(), whole.end(), all.begin(), all.end())) << mode;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Partitioners,
                         EdgeAttributeChunks,
                         ::testing::ValuesIn(partitioner_names()));

TEST(EdgeAttributes, AreThoseThatPythonMakes) {
  const TestFolder folder;
  const auto world = make_self_communicator();
  const auto compare = [&](const std::string& table, const std::vector<PreprocessOptions>& all) {
    std::string command = std::string(REGATTA_PYTHON) + " " + REGATTA_SOURCE_DIR +
                          "/tests/oracle/preprocess_edges.py 40 " + table;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::string dataset = table + ".d" + std::to_string(i);
      preprocess_dataset(all[i], dataset, *world);
      command += " " + dataset;
    }
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
  };
  PreprocessOptions options = random_options(folder);
  options.edges.path = folder.write_gzip("words.csv.gz", random_table({"b", "rev", "a"}, true));
  options.partition.chunks = 3;
  std::vector<PreprocessOptions> all;
  const std::tuple<const char*, const char*> scales[] = {
      {"none", "zero"}, {"standardise", "mean"}, {"min_max", "median"}, {"none", "constant"}};
  for (const auto& [normalise, fill] : scales) {
    options.edge_features = {normalise, fill, -2.5};
    options.clean = {.self_loops = "add", .self_loop_fill = "mean"};
    all.push_back(options);
    options.clean = {.self_loops = "add", .reverse_types = "own", .self_loop_fill = "zero"};
    all.push_back(options);
    options.clean = {.duplicates = "keep", .self_loops = "keep", .direction = "directed"};
    all.push_back(options);
    options.clean = {.self_loops = "drop", .direction = "reversed"};
    all.push_back(options);
  }
  compare(options.edges.path, all);
  PreprocessOptions integers = random_options(folder);
  integers.edges.path = folder.write("numbers.csv", random_table({"10", "9", "-3"}, false));
  compare(integers.edges.path, {integers});
}

TEST(EdgeAttributes, ConstantsAndTypesComeFromAnotherDataset) {
  const TestFolder folder;
  const auto world = make_self_communicator();
  PreprocessOptions options = random_options(folder);
  options.edge_features.normalise = "standardise";
  const Manifest first = preprocess_dataset(options, folder.at("first"), *world);
  PreprocessOptions second = table_options(folder, "src,dst,w,kind,v\n0,1,5,c,1\n1,2,7,a,3\n");
  second.features.fit_from = folder.at("first");
  const DatasetInMemory dataset = build_chunks(second);
  EXPECT_EQ(dataset.manifest.edge_types.names, first.edge_types.names);
  EXPECT_EQ(dataset.manifest.edge_types.counts, (std::vector<std::int64_t>{2, 0, 2}));
  EXPECT_EQ(dataset.manifest.edge_features.fit.offset, first.edge_features.fit.offset);
  const FeatureFit& fit = first.edge_features.fit;
  const GraphChunk& chunk = dataset.chunks.at(0);
  ASSERT_EQ(chunk.edge_x.size(), 8U);
  EXPECT_EQ(chunk.edge_x[0], static_cast<float>((5 - fit.offset[0]) * fit.scale[0]));
  EXPECT_EQ(chunk.edge_x[1], static_cast<float>((1 - fit.offset[1]) * fit.scale[1]));

  const auto refused = [&](const std::string& table, const std::string& words, auto change) {
    PreprocessOptions bad = table_options(folder, table);
    bad.features.fit_from = folder.at("first");
    change(bad);
    expect_error(ExitCode::kData, words, [&] { build_chunks(bad); });
  };
  refused("src,dst,w,kind,v\n0,1,5,c,1\n1,2,7,z,3\n",
          "edges.csv:3: edge type 'z' needs the type 'z', which features.fit_from has not: it has "
          "a, b, c",
          [](auto&) {});
  refused(kTable, "edges.features names 1 columns, but features.fit_from has 2", [](auto& o) {
    o.edges.features = {"w"};
  });
  refused(kTable, "edge feature 1 is 'v', but 'w' in features.fit_from", [](auto& o) {
    o.edges.features = {"v", "w"};
  });
  refused(kTable, "features.fit_from has 3 edge types; give edges.type", [](auto& o) {
    o.edges.type = "";
  });
}

TEST(EdgeAttributes, TooManyTypesAreRefusedWhereTheyOccur) {
  const TestFolder folder;
  std::string table = "src,dst,kind\n";
  for (int type = 0; type < 65536; ++type) table += "0,1,t" + std::to_string(type) + "\n";
  PreprocessOptions options = table_options(folder, table);
  options.edges.features.clear();
  expect_error(ExitCode::kData,
               "edges.csv:65537: 't65535' is edge type number 65536, but at most 65535",
               [&] { build_chunks(options); });
  // 65,535 are possible, but not with those of reversed edges.
  table.resize(table.rfind("0,1,t65535"));
  options.edges.path = folder.write("edges.csv", table);
  EXPECT_EQ(edge_type_count(build_chunks(options).manifest), 65535);
  options.clean.reverse_types = "own";
  expect_error(ExitCode::kData, "there are 131070 edge types", [&] { build_chunks(options); });
}

TEST(EdgeAttributes, DatasetsOnDiskAreThoseInMemory) {
  const TestFolder folder;
  const auto world = make_self_communicator();
  PreprocessOptions options = random_options(folder);
  options.partition.chunks = 3;
  const DatasetInMemory expected = build_chunks(options);
  preprocess_dataset(options, folder.at("d"), *world);
  const Dataset dataset(folder.at("d"), {.verify = "open"});
  DatasetInMemory found{dataset.manifest(), {}};
  for (std::int64_t c = 0; c < 3; ++c) found.chunks.push_back(*dataset.read_chunk(c));
  EXPECT_EQ(owned_edges(found), owned_edges(expected));
}

}  // namespace
}  // namespace regatta
