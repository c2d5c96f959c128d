// Metrics against scikit-learn, and merging as counts.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/rng.h"
#include "tasks/metric_counts.h"

namespace regatta {
namespace {

MetricCounts random_counts(std::int64_t classes, std::uint64_t seed) {
  MetricCounts counts(classes);
  RandomStream stream(make_random_key(seed, RandomPurpose::kSplit, 0, 0));
  for (auto& cell : counts.confusion) cell = static_cast<std::int64_t>(stream.next_below(9));
  for (std::int64_t c = 0; c < classes; ++c) {  // one class never predicted nor true
    counts.confusion[static_cast<std::size_t>(c)] = 0;
    counts.confusion[static_cast<std::size_t>(c * classes)] = 0;
  }
  return counts;
}

TEST(MetricCounts, AgreeWithScikitLearn) {
  const std::string script =
      "import sys,json\n"
      "from sklearn.metrics import f1_score,accuracy_score\n"
      "out=[]\n"
      "for m in json.load(open(sys.argv[1])):\n"
      "  n=len(m); t=[]; p=[]\n"
      "  for i in range(n):\n"
      "    for j in range(n): t+=[i]*m[i][j]; p+=[j]*m[i][j]\n"
      "  "
      "out.append([accuracy_score(t,p),f1_score(t,p,average='macro',labels=list(range(n)),zero_"
      "division=0)])\n"
      "json.dump(out,open(sys.argv[2],'w'))\n";
  const auto folder =
      std::filesystem::temp_directory_path() / ("regatta-metrics." + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::vector<MetricCounts> cases;
  nlohmann::json matrices = nlohmann::json::array();
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const std::int64_t classes = 2 + static_cast<std::int64_t>(seed % 6);
    cases.push_back(random_counts(classes, seed));
    nlohmann::json matrix = nlohmann::json::array();
    for (std::int64_t i = 0; i < classes; ++i) {
      const auto row = cases.back().confusion.begin() + i * classes;
      matrix.push_back(std::vector<std::int64_t>(row, row + classes));
    }
    matrices.push_back(matrix);
  }
  std::ofstream(folder / "in.json") << matrices;
  std::ofstream(folder / "oracle.py") << script;
  const std::string command = std::string(REGATTA_PYTHON) + " " + (folder / "oracle.py").string() +
                              " " + (folder / "in.json").string() + " " +
                              (folder / "out.json").string();
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  const auto expected = nlohmann::json::parse(std::ifstream(folder / "out.json"));
  for (std::size_t i = 0; i < cases.size(); ++i) {
    EXPECT_NEAR(cases[i].metrics().accuracy, expected[i][0].get<double>(), 1e-12);
    EXPECT_NEAR(cases[i].metrics().macro_f1, expected[i][1].get<double>(), 1e-12);
  }
  std::filesystem::remove_all(folder);
}

TEST(MetricCounts, MergingEqualsCountingTogether) {
  MetricCounts a = random_counts(4, 1), b = random_counts(4, 2), both(4);
  a.loss_sum = 3;
  a.weight_sum = 2;
  b.loss_sum = 5;
  b.weight_sum = 8;
  both.add(a);
  both.add(b);
  EXPECT_DOUBLE_EQ(both.metrics().loss, 0.8);
  EXPECT_EQ(both.metrics().count, a.metrics().count + b.metrics().count);
  EXPECT_EQ(MetricCounts(3).metrics().accuracy, 0);
}

}  // namespace
}  // namespace regatta
