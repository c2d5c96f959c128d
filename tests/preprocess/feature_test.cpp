// Features against scikit-learn: every way of filling and normalising, dense and sparse; fit_from;
// refusals.
#include "preprocess/pipeline.h"
#include "preprocess/test_folder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace regatta {
namespace {

using testing::bytes_of;
using testing::expect_error;
using testing::TestFolder;

class Features : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TestFolder;
    const std::string command = std::string(REGATTA_PYTHON) + " " + REGATTA_SOURCE_DIR +
                                "/tests/oracle/preprocess_features.py " + folder_->path();
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  static void TearDownTestSuite() { delete folder_; }

  static PreprocessOptions options(const std::string& nodes) {
    PreprocessOptions options;
    options.edges.path = folder_->at("edges.csv");
    options.splits.path = folder_->at("split.csv");
    options.nodes.path = folder_->at(nodes);
    if (nodes == "nodes.csv")
      options.nodes.label = "kind";
    options.features.fill_value = -2.5;
    return options;
  }

  static std::vector<double> expected(const std::string& name) {
    const std::string bytes = bytes_of(folder_->at(name + ".f64"));
    std::vector<double> values(bytes.size() / sizeof(double));
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(double));
    return values;
  }

  static TestFolder* folder_;
};
TestFolder* Features::folder_ = nullptr;

std::vector<float> dense_of(const NodeFeatures& features, std::int64_t nodes) {
  if (features.kind == FeatureKind::kDense)
    return {features.x.begin(), features.x.end()};
  std::vector<float> x(static_cast<std::size_t>(nodes * features.width), 0);
  for (std::int64_t node = 0; node < nodes; ++node) {
    for (std::int64_t i = features.x_indptr[node]; i < features.x_indptr[node + 1]; ++i) {
      x[node * features.width + features.x_index[i]] = features.x_value[i];
    }
  }
  return x;
}

void expect_features(const PreprocessOptions& options, const std::vector<double>& expected) {
  const GraphChunk chunk = build_chunks(options).chunks.at(0);
  const std::vector<float> found = dense_of(chunk.features, chunk.num_nodes());
  ASSERT_EQ(found.size(), expected.size());
  ASSERT_GT(expected.size(), 400U);
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_NEAR(found[i], expected[i], 1e-6 * (1 + std::abs(expected[i]))) << "value " << i;
  }
}

TEST_F(Features, EqualScikitLearn) {
  for (const std::string fill : {"zero", "mean", "median", "constant"}) {
    for (const std::string kind : {"none", "row_l1", "row_l2", "standardise", "min_max"}) {
      SCOPED_TRACE(fill + " " + kind);
      PreprocessOptions dense = options("nodes.csv");
      dense.features.fill = fill;
      dense.features.normalise = kind;
      expect_features(dense, expected(fill + "-" + kind));
    }
  }
}

TEST_F(Features, OfSvmlightEqualScikitLearn) {
  for (const std::string kind : {"none", "row_l1", "row_l2", "standardise", "min_max"}) {
    SCOPED_TRACE(kind);
    PreprocessOptions dense = options("nodes.svmlight.gz");
    dense.features.normalise = kind;
    dense.features.representation = "dense";
    expect_features(dense, expected("svmlight-" + kind));
    if (kind == "standardise" || kind == "min_max")
      continue;
    dense.features.representation = "auto";
    EXPECT_EQ(build_chunks(dense).chunks[0].features.kind, FeatureKind::kSparse);
    expect_features(dense, expected("svmlight-" + kind));
  }
}

TEST_F(Features, DenseTableStoredSparse) {
  PreprocessOptions sparse = options("nodes.csv");
  sparse.features.representation = "sparse";
  sparse.features.fill = "constant";
  sparse.features.normalise = "row_l2";
  expect_features(sparse, expected("constant-row_l2"));
  sparse.features.fill = "zero";
  sparse.features.normalise = "none";
  expect_features(sparse, expected("zero-none"));
  const GraphChunk chunk = build_chunks(sparse).chunks[0];
  for (const float value : chunk.features.x_value) ASSERT_NE(value, 0.0F);
}

TEST_F(Features, FitFromReusesConstantsAndClasses) {
  const auto world = make_self_communicator();
  PreprocessOptions first = options("nodes.csv");
  first.features.fill = "median";
  first.features.normalise = "standardise";
  const std::string fitted = folder_->at("fitted");
  preprocess_dataset(first, fitted, *world);
  // The same rows without splits get the same features: nothing is fitted anew.
  PreprocessOptions second = options("nodes.csv");
  second.splits.path = "";
  second.features.fit_from = fitted;
  expect_features(second, expected("median-standardise"));
  const auto again = build_chunks(second);
  EXPECT_EQ(again.manifest.fit.offset, build_chunks(first).manifest.fit.offset);
  // A part of the classes still gets the whole class list, and numbers in it.
  second.nodes.path = folder_->write(
      "odd.csv", "id,kind,f0,f1,f2,f3,f4,f5,f6\n0,odd,1,2,3,4,5,,7\n1,,1,2,3,4,5,6,7\n");
  second.edges.path = folder_->write("e2.csv", "0,1\n");
  const auto part = build_chunks(second);
  EXPECT_EQ(part.manifest.targets.at("label").classes, (std::vector<std::string>{"even", "odd"}));
  EXPECT_EQ(part.chunks[0].target("label").value[0], 1);
  EXPECT_EQ(part.chunks[0].target("label").value[1], -1);

  second.nodes.path = folder_->write(
      "new.csv", "id,kind,f0,f1,f2,f3,f4,f5,f6\n0,prime,1,2,3,4,5,6,7\n1,odd,1,2,3,4,5,6,7\n");
  expect_error(
      ExitCode::kData, "new.csv:2: class 'prime' is not one of", [&] { build_chunks(second); });
  second.nodes.path = folder_->write("few.csv", "id,kind,f0\n0,odd,1\n1,odd,2\n");
  expect_error(ExitCode::kData, "there are 1 features, but features.fit_from has 7", [&] {
    build_chunks(second);
  });
  second.nodes.path = folder_->write(
      "swap.csv", "id,kind,f1,f0,f2,f3,f4,f5,f6\n0,odd,1,2,3,4,5,6,7\n1,odd,1,2,3,4,5,6,7\n");
  expect_error(ExitCode::kData, "feature 1 is 'f1', but 'f0'", [&] { build_chunks(second); });
  second.features.normalise = "min_max";
  expect_error(ExitCode::kUsage, "was made with standardise", [&] { build_chunks(second); });
}

TEST_F(Features, RefusesWhatCannotBe) {
  PreprocessOptions sparse = options("nodes.svmlight.gz");
  sparse.features.normalise = "standardise";
  expect_error(
      ExitCode::kUsage, "set features.representation: dense", [&] { build_chunks(sparse); });
  sparse.features.normalise = "none";
  sparse.features.fill = "median";
  expect_error(
      ExitCode::kUsage, "set features.representation: dense", [&] { build_chunks(sparse); });
  PreprocessOptions dense = options("nodes.csv");
  expect_error(ExitCode::kData, "has no value; correct the row, or set features.fill", [&] {
    build_chunks(dense);
  });
  dense.features.fill = "mean";
  dense.splits.method = "none";
  expect_error(ExitCode::kData, "fitted on training nodes, but there are none", [&] {
    build_chunks(dense);
  });
}

}  // namespace
}  // namespace regatta
