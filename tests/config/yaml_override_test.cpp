// --set KEY=VALUE over a loaded file.
#include "config/yaml_loader.h"
#include "core/error.h"
#include "core/sample_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regatta {
namespace {

using test::faults_of;
using test::SampleOptions;

constexpr const char* kFile = "epochs: 5\nlayers:\n  - {heads: 2}\n  - {heads: 3}\noptimiser:\n";

SampleOptions options_with(const std::vector<std::string>& overrides) {
  ConfigNode root = load_yaml_text(kFile, "job.yaml");
  for (const std::string& assignment : overrides) apply_override(root, assignment);
  SampleOptions options;
  EXPECT_EQ(faults_of(options, root), "");
  return options;
}

std::string refusal(const std::string& assignment) {
  ConfigNode root = load_yaml_text(kFile, "job.yaml");
  try {
    apply_override(root, assignment);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    return error.what();
  }
  SampleOptions options;
  return faults_of(options, root);
}

TEST(Override, ChangesAddsAndReplaces) {
  EXPECT_EQ(options_with({"epochs=7"}).epochs, 7);
  EXPECT_EQ(options_with({"epochs=7", "epochs=8"}).epochs, 8);
  EXPECT_EQ(options_with({"bias=false"}).bias, false);
  EXPECT_EQ(options_with({"optimiser.momentum=0.5"}).optimiser.momentum, 0.5);
  EXPECT_EQ(options_with({"optimiser={learning_rate: 2}"}).optimiser.learning_rate, 2);
  EXPECT_EQ(options_with({"layers.1.heads=9"}).layers[1].heads, 9);
  EXPECT_EQ(options_with({"layers.1.heads=9"}).layers[0].heads, 2);
  EXPECT_EQ(options_with({"layers=[{kind: dot}]"}).layers.size(), 1U);
  EXPECT_THAT(options_with({"weights=[1, 2, 3]"}).weights, testing::ElementsAre(1, 2, 3));
}

TEST(Override, TextsMayHoldAnything) {
  EXPECT_EQ(options_with({"output=a=b"}).output, "a=b");
  EXPECT_EQ(options_with({"output=012"}).output, "012");
  EXPECT_EQ(options_with({"output=''"}).output, "");
  EXPECT_EQ(options_with({"output='a: b'"}).output, "a: b");
}

TEST(Override, StartsFromAnEmptyFile) {
  ConfigNode root = load_yaml_text("", "job.yaml");
  apply_override(root, "optimiser.momentum=0.25");
  SampleOptions options;
  EXPECT_EQ(faults_of(options, root), "");
  EXPECT_EQ(options.optimiser.momentum, 0.25);
}

TEST(Override, FaultsNameTheOverride) {
  EXPECT_EQ(refusal("epochs=many"), "--set epochs: expected an integer, found 'many'");
  EXPECT_EQ(refusal("epochs="), "--set epochs: expected an integer, found nothing");
  EXPECT_EQ(refusal("optimiser.lerning_rate=1"),
            "--set optimiser.lerning_rate: unknown key; did you mean 'learning_rate'?");
  EXPECT_EQ(refusal("optimizer.momentum=1"),
            "--set optimizer.momentum: optimizer: unknown key; did you mean 'optimiser'?");
  EXPECT_EQ(refusal("layers.0={heads: 0}"),
            "--set layers.0: layers[0].heads: expected an integer in the range [1, 64], found 0");
}

TEST(Override, RefusesMalformedAssignments) {
  for (const char* text : {"", "epochs", "=5", ".epochs=5", "epochs.=5", "optimiser..momentum=1"}) {
    EXPECT_THAT(refusal(text), testing::HasSubstr("expected KEY=VALUE")) << text;
  }
  EXPECT_THAT(refusal("epochs=[1"), testing::StartsWith("--set epochs:1:1: "));
  EXPECT_THAT(refusal("epochs.deep=1"), testing::HasSubstr("job.yaml:1:9"));
  EXPECT_THAT(refusal("layers.2.heads=1"), testing::HasSubstr("'2' is no item of the list"));
  EXPECT_THAT(refusal("layers.x.heads=1"), testing::HasSubstr("'x' is no item of the list"));
  EXPECT_THAT(refusal("layers.-1.heads=1"), testing::HasSubstr("'-1' is no item of the list"));
  EXPECT_THAT(refusal("fanout.0=1"), testing::HasSubstr("write the whole list"));
}

TEST(Override, RefusesDeepPaths) {
  std::string path = "a";
  for (int i = 0; i < 1000; ++i) path += ".a";
  EXPECT_THAT(refusal(path + "=1"), testing::HasSubstr("nested deeper"));
}

}  // namespace
}  // namespace regatta
