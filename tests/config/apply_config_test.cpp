// Values that nothing reads are faults beside all others: how they are found, placed and worded.
#include "config/apply_config.h"

#include "config/yaml_loader.h"
#include "core/error.h"
#include "core/sample_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regatta {
namespace {

using test::SampleOptions;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr OptionReader kSample[] = {
    {"layers[]", "heads", {"layers[].kind", "gat"}},
    {"optimiser", "momentum", {"bias", "true"}, {"output", "run|other"}},
    {"optimiser", "learning_rate", {"columns", kGiven}},
};

std::vector<OptionDescription> sample_rows() {
  SampleOptions options;
  OptionGroup group;
  options.declare(group);
  return group.describe();
}

std::vector<std::string> unread(const std::string& text,
                                const std::vector<std::string>& overrides = {}) {
  ConfigNode root = load_yaml_text(text, "job.yaml");
  for (const std::string& assignment : overrides) apply_override(root, assignment);
  return unread_options(root, sample_rows(), kSample);
}

TEST(UnreadOptions, AreNamedWithPlaceReasonAndRemedy) {
  EXPECT_THAT(unread("layers:\n  - {kind: gat, heads: 3}\n  - {kind: dot, heads: 3}\n"),
              ElementsAre("job.yaml:3:24: layers.1.heads: has no effect: it is for kind: gat, but "
                          "kind is dot; leave it out, or at its default 8"));
}

TEST(UnreadOptions, AreFoundWithTheOtherOptionAtItsDefault) {
  EXPECT_THAT(unread("layers: [{heads: 3}]"), IsEmpty());
  EXPECT_THAT(
      unread("optimiser: {learning_rate: 1}"),
      ElementsAre("job.yaml:1:28: optimiser.learning_rate: has no effect: it is for a given "
                  "columns, but columns is empty; leave it out, or at its default 0.005"));
  EXPECT_THAT(unread("optimiser: {learning_rate: 1}\ncolumns: [a]"), IsEmpty());
}

TEST(UnreadOptions, OneOfTwoStatesIsEnough) {
  EXPECT_THAT(unread("bias: false\noutput: other\noptimiser: {momentum: 0.5}"), IsEmpty());
  EXPECT_THAT(unread("bias: true\noutput: x\noptimiser: {momentum: 0.5}"), IsEmpty());
  EXPECT_THAT(
      unread("bias: false\noutput: x\noptimiser: {momentum: 0.5}"),
      ElementsAre(testing::HasSubstr("it is for bias: true or output: run or other, but bias "
                                     "is false and output is x; leave")));
}

TEST(UnreadOptions, DefaultsPassHoweverTheyAreWritten) {
  for (const char* heads : {"8", "8.0", "8e0"}) {
    EXPECT_THAT(unread("layers: [{kind: dot, heads: " + std::string(heads) + "}]"), IsEmpty());
  }
  EXPECT_THAT(unread("optimiser: {learning_rate: 5e-3}"), IsEmpty());
}

TEST(UnreadOptions, OverridesCountOnEitherSide) {
  const char* const file = "layers:\n  - {kind: gat, heads: 3}\n";
  EXPECT_THAT(unread(file, {"layers.0.kind=dot"}),
              ElementsAre(testing::StartsWith("job.yaml:2:24: layers.0.heads: has no effect")));
  EXPECT_THAT(unread(file, {"layers.0.kind=dot", "layers.0.heads=8"}), IsEmpty());
  EXPECT_THAT(unread("layers: [{kind: dot}]", {"layers.0.heads=3"}),
              ElementsAre(testing::StartsWith("--set layers.0.heads: has no effect")));
  EXPECT_THAT(unread("layers: [{}]", {"layers.0={kind: dot, heads: 3}"}),
              ElementsAre(testing::StartsWith("--set layers.0: layers.0.heads: has no effect")));
}

TEST(UnreadOptions, IllegalValuesAreLeftToTheirOwnFaults) {
  EXPECT_THAT(unread("layers: [{kind: gut, heads: 3}]"), IsEmpty());
  EXPECT_THAT(unread("layers: [{kind: [dot], heads: [3]}]"), IsEmpty());
  EXPECT_THAT(unread("layers: [{kind: dot, heads: }]"), IsEmpty());
  EXPECT_THAT(unread("columns: ''\noptimiser: {learning_rate: 1}"), IsEmpty());
  EXPECT_THAT(unread("bias: no\noutput: x\noptimiser: {momentum: 0.5}"), IsEmpty());
  for (const char* text : {"", "layers", "layers: 3", "layers: [3]", "[1]", "optimiser: [{}]"}) {
    EXPECT_THAT(unread(text), IsEmpty()) << text;
  }
}

TEST(ApplyConfig, RefusesWhatOptionsRefuse) {
  SampleOptions options;
  OptionGroup group;
  options.declare(group);
  try {
    apply_config(group, load_yaml_text("epochs: 0\nbais: true", "job.yaml"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_STREQ(error.what(),
                 "job.yaml:1:9: epochs: expected an integer in the range [1, 1000], found 0\n"
                 "job.yaml:2:1: bais: unknown key; did you mean 'bias'?");
  }
  EXPECT_NO_THROW(apply_config(group, load_yaml_text("epochs: 7", "job.yaml")));
  EXPECT_EQ(options.epochs, 7);
}

}  // namespace
}  // namespace regatta
