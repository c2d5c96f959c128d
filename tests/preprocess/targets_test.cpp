// Node sets, labels and splits through the whole in-memory pipeline.
#include "preprocess/pipeline.h"
#include "preprocess/test_folder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>

namespace regatta {
namespace {

using testing::TestFolder;

/// One chunk, so row i is node i.
GraphChunk only_chunk(const PreprocessOptions& options) {
  return build_chunks(options).chunks.at(0);
}

std::vector<std::string> ids_of(const GraphChunk& chunk) {
  std::vector<std::string> ids;
  for (std::int64_t i = 0; i < chunk.num_nodes(); ++i) ids.push_back(chunk.original.at(i));
  return ids;
}

std::vector<std::int64_t> labels_of(const GraphChunk& chunk) {
  const auto& value = chunk.target("label").value;
  return {value.begin(), value.end()};
}

std::vector<int> splits_of(const GraphChunk& chunk) {
  const auto& split = chunk.target("label").split;
  return {split.begin(), split.end()};
}

TEST(Nodes, WithoutATableAreTheSortedIds) {
  const TestFolder folder;
  PreprocessOptions options;
  options.edges.path = folder.write("e.csv", "30,7\n7,100\n");
  EXPECT_EQ(ids_of(only_chunk(options)), (std::vector<std::string>{"7", "30", "100"}));
  options.ids = "text";
  EXPECT_EQ(ids_of(only_chunk(options)), (std::vector<std::string>{"100", "30", "7"}));
  options.ids = "auto";
  options.edges.path = folder.write("e2.csv", "30,b\nb,100\n");
  EXPECT_EQ(ids_of(only_chunk(options)), (std::vector<std::string>{"100", "30", "b"}));
  options.edges.path = folder.write("e3.csv", "1,3\n");
  options.num_nodes = 5;
  EXPECT_EQ(ids_of(only_chunk(options)), (std::vector<std::string>{"0", "1", "2", "3", "4"}));
}

// Ids at both ends of their range: nothing may overflow, and no table over the range may be made.
TEST(Nodes, IdsMayBeFarApart) {
  const TestFolder folder;
  PreprocessOptions options;
  options.edges.path = folder.write("e.csv", "9223372036854775807,-9223372036854775808\n0,5\n");
  EXPECT_EQ(ids_of(only_chunk(options)),
            (std::vector<std::string>{"-9223372036854775808", "0", "5", "9223372036854775807"}));
}

TEST(Nodes, WithATableKeepItsOrder) {
  const TestFolder folder;
  PreprocessOptions options;
  options.edges.path = folder.write("e.csv", "source;target\n");
  options.edges.path = folder.write("e.csv", "source,target\nzoe,adam\n");
  options.nodes.path = folder.write("n.csv", "id,age\nzoe,1\nmia,2\nadam,3\n");
  const GraphChunk chunk = only_chunk(options);
  EXPECT_EQ(ids_of(chunk), (std::vector<std::string>{"zoe", "mia", "adam"}));
  EXPECT_EQ(chunk.features.x[2], 3.0F);
  EXPECT_TRUE(chunk.targets.empty()) << "no label column, no target";
  options.clean.isolated = "drop";
  EXPECT_EQ(ids_of(only_chunk(options)), (std::vector<std::string>{"zoe", "adam"}));
  // Edge ids that are all integers meet text ids of the node table.
  options.edges.path = folder.write("e4.csv", "1,2\n");
  options.nodes.path = folder.write("n4.csv", "id,f\n1,1\n2,2\nx,3\n");
  options.clean.isolated = "keep";
  EXPECT_EQ(ids_of(only_chunk(options)), (std::vector<std::string>{"1", "2", "x"}));
}

TEST(Nodes, SvmlightRowsAreNumberedFromZero) {
  const TestFolder folder;
  PreprocessOptions options;
  options.edges.path = folder.write("e.csv", "0,2\n");
  options.nodes.path =
      folder.write("n.svmlight", "# comment\n2 1:5 3:1\n\n-1 # nothing known\n 2:4\n");
  const DatasetInMemory dataset = build_chunks(options);
  const GraphChunk& chunk = dataset.chunks[0];
  EXPECT_EQ(ids_of(chunk), (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(chunk.features.width, 3);
  EXPECT_EQ(
      std::vector<std::int64_t>(chunk.features.x_indptr.begin(), chunk.features.x_indptr.end()),
      (std::vector<std::int64_t>{0, 2, 2, 3}));
  EXPECT_EQ(chunk.features.x_index[2], 1);
  EXPECT_EQ(labels_of(chunk), (std::vector<std::int64_t>{0, -1, -1}));
  EXPECT_EQ(dataset.manifest.targets.at("label").classes, (std::vector<std::string>{"2"}));
}

TEST(Labels, IntegersKeepNumericOrderAndTextIsSorted) {
  const TestFolder folder;
  PreprocessOptions options;
  options.edges.path = folder.write("e.csv", "0,1\n");
  options.nodes.path = folder.write("n.csv", "id,y\n0,10\n1,9\n2,\n3,-1\n4,9\n");
  options.nodes.label = "y";
  DatasetInMemory dataset = build_chunks(options);
  EXPECT_EQ(dataset.manifest.targets.at("label").classes, (std::vector<std::string>{"9", "10"}));
  EXPECT_EQ(labels_of(dataset.chunks[0]), (std::vector<std::int64_t>{1, 0, -1, -1, 0}));
  // The label table goes over the node table's labels.
  options.labels.path = folder.write("l.csv", "node,label\n2,cat\n1,ant\n");
  dataset = build_chunks(options);
  EXPECT_EQ(dataset.manifest.targets.at("label").classes,
            (std::vector<std::string>{"10", "9", "ant", "cat"}));
  EXPECT_EQ(labels_of(dataset.chunks[0]), (std::vector<std::int64_t>{0, 2, 3, -1, 1}));
}

TEST(Splits, GivenByTheTable) {
  const TestFolder folder;
  PreprocessOptions options;
  options.edges.path = folder.write("e.csv", "0,1\n");
  options.nodes.path = folder.write("n.csv", "id,y\n0,a\n1,b\n2,a\n3,b\n4,a\n");
  options.nodes.label = "y";
  options.splits.path =
      folder.write("s.csv", "node,split\n0,train\n1,valid\n2,validation\n3,test\n");
  EXPECT_EQ(splits_of(only_chunk(options)), (std::vector<int>{1, 2, 2, 3, 0}));
  const auto manifest = build_chunks(options).manifest;
  EXPECT_EQ(manifest.targets.at("label").counts.at("val"), (std::vector<std::int64_t>{1, 1}));
  options.splits.method = "none";
  EXPECT_EQ(splits_of(only_chunk(options)), (std::vector<int>{0, 0, 0, 0, 0}));
}

TEST(Splits, RandomKeepsSizesClassesAndSeed) {
  const TestFolder folder;
  PreprocessOptions options;
  options.edges.path = folder.write("e.csv", "0,1\n");
  std::string nodes = "id,y\n";
  for (int i = 0; i < 200; ++i) {
    nodes += std::to_string(i) + (i % 10 == 9 ? ",\n" : i % 4 == 0 ? ",rare\n" : ",common\n");
  }
  options.nodes.path = folder.write("n.csv", nodes);  // 180 labelled, 50 of them rare
  options.nodes.label = "y";
  options.splits.method = "random";
  const auto counts = [&] {
    std::map<std::pair<std::int64_t, int>, int> result;
    const GraphChunk chunk = only_chunk(options);
    for (std::size_t i = 0; i < 200; ++i) ++result[{labels_of(chunk)[i], splits_of(chunk)[i]}];
    return result;
  };
  // 60/20/20 of 180 = 108/36/36, of which rare (50 of 180) 30/10/10.
  const std::map<std::pair<std::int64_t, int>, int> expected{{{-1, 0}, 20},
                                                             {{0, 1}, 78},
                                                             {{0, 2}, 26},
                                                             {{0, 3}, 26},
                                                             {{1, 1}, 30},
                                                             {{1, 2}, 10},
                                                             {{1, 3}, 10}};
  EXPECT_EQ(counts(), expected);
  const auto first = splits_of(only_chunk(options));
  EXPECT_EQ(first, splits_of(only_chunk(options)));
  options.splits.seed = 1;
  EXPECT_NE(first, splits_of(only_chunk(options)));
  options.splits.unit = "count";
  options.splits.train = 20;
  options.splits.validation = 30;
  options.splits.test = 40;
  options.splits.stratified = false;
  const auto split = splits_of(only_chunk(options));
  EXPECT_EQ(std::count(split.begin(), split.end(), 1), 20);
  EXPECT_EQ(std::count(split.begin(), split.end(), 2), 30);
  EXPECT_EQ(std::count(split.begin(), split.end(), 3), 40);
}

}  // namespace
}  // namespace regatta
