// Declared options: what apply() accepts, refuses and says, and what describe() tells.
#include "core/options.h"

#include "core/error.h"
#include "core/sample_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace regatta {
namespace {

using test::faults_of;
using test::SampleOptions;
using Json = nlohmann::ordered_json;

std::string faults_of_json(const std::string& json) {
  SampleOptions options;
  return faults_of(options, config_node_from_json(Json::parse(json), "job.json"));
}

ConfigNode plain(const std::string& text) {
  ConfigNode node;
  node.kind = ConfigNode::Kind::kScalar;
  node.scalar = text;
  node.origin = "job.yaml";
  node.line = 3;
  node.column = 9;
  return node;
}

ConfigNode map_of(const std::string& key, ConfigNode value) {
  ConfigNode map;
  map.kind = ConfigNode::Kind::kMap;
  map.origin = "job.yaml";
  map.entries.emplace_back(plain(key), std::move(value));
  return map;
}

TEST(Options, NullMeansAllDefaults) {
  SampleOptions options;
  EXPECT_EQ(faults_of(options, ConfigNode{}), "");
  EXPECT_EQ(options, SampleOptions{});
}

TEST(Options, FillsEveryKindOfMember) {
  SampleOptions options;
  const auto json = Json::parse(R"({"epochs": 7, "bias": false, "output": "x", "weights": [1],
    "fanout": [5, -1], "columns": ["a"], "layers": [{"kind": "dot"}],
    "optimiser": {"learning_rate": 0.5}})");
  EXPECT_EQ(faults_of(options, config_node_from_json(json, "job.json")), "");
  EXPECT_EQ(options.epochs, 7);
  EXPECT_FALSE(options.bias);
  EXPECT_EQ(options.output, "x");
  EXPECT_THAT(options.weights, testing::ElementsAre(1.0));
  EXPECT_THAT(options.fanout, testing::ElementsAre(5, -1));
  EXPECT_THAT(options.columns, testing::ElementsAre("a"));
  ASSERT_EQ(options.layers.size(), 1U);
  EXPECT_EQ(options.layers[0].kind, "dot");
  EXPECT_EQ(options.layers[0].heads, 8);
  EXPECT_EQ(options.optimiser.learning_rate, 0.5);
}

TEST(Options, CollectsEveryFaultAndKeepsFaultyMembers) {
  SampleOptions options;
  const auto json = Json::parse(R"({"epochs": 0, "bias": 1, "weights": [1, -2],
    "optimiser": {"momentum": 1, "learning_rat": 1}, "layers": 3})");
  EXPECT_EQ(faults_of(options, config_node_from_json(json, "job.json")),
            "job.json: epochs: expected an integer in the range [1, 1000], found 0\n"
            "job.json: bias: expected true or false, found '1'\n"
            "job.json: weights[1]: expected a number in the range >= 0, found -2\n"
            "job.json: optimiser.momentum: expected a number in the range [0, 1), found 1\n"
            "job.json: optimiser.learning_rat: unknown key; did you mean 'learning_rate'?\n"
            "job.json: layers: expected a list of maps, found '3'");
  EXPECT_EQ(options, SampleOptions{});
}

TEST(Options, NamesThePlaceOfTheValue) {
  SampleOptions options;
  EXPECT_EQ(faults_of(options, map_of("epochs", plain("many"))),
            "job.yaml:3:9: epochs: expected an integer, found 'many'");
}

TEST(Options, KeyInTheWrongSectionIsTracedToItsOwn) {
  EXPECT_EQ(faults_of_json(R"({"learning_rate": 1})"),
            "job.json: learning_rate: unknown key here; did you mean 'optimiser.learning_rate'?");
  EXPECT_EQ(faults_of_json(R"({"xyzzy": 1})"),
            "job.json: xyzzy: unknown key; known here: epochs, bias, output, weights, fanout, "
            "columns, layers, optimiser");
}

struct Scalar {
  const char* text;
  bool is_integer;
  bool is_number;
};

class Scalars : public testing::TestWithParam<Scalar> {};

TEST_P(Scalars, AreIntegersOrNumbersOnlyInPlainDecimal) {
  std::int64_t integer = 0;
  double number = 0;
  OptionGroup integers;
  integers.integer("value", integer, {}, "any integer");
  OptionGroup numbers;
  numbers.number("value", number, {}, "any number");
  const ConfigNode node = map_of("value", plain(GetParam().text));
  if (GetParam().is_integer) {
    EXPECT_NO_THROW(integers.apply(node));
  } else {
    EXPECT_THROW(integers.apply(node), Error);
  }
  if (GetParam().is_number) {
    EXPECT_NO_THROW(numbers.apply(node));
  } else {
    EXPECT_THROW(numbers.apply(node), Error);
  }
}

INSTANTIATE_TEST_SUITE_P(Spellings,
                         Scalars,
                         testing::Values(Scalar{"0", true, true},
                                         Scalar{"-7", true, true},
                                         Scalar{"9223372036854775807", true, true},
                                         Scalar{"9223372036854775808", false, true},
                                         Scalar{"012", false, false},
                                         Scalar{"-00", false, false},
                                         Scalar{"0x10", false, false},
                                         Scalar{"0o17", false, false},
                                         Scalar{"1_000", false, false},
                                         Scalar{"1,5", false, false},
                                         Scalar{"+1", false, false},
                                         Scalar{" 1", false, false},
                                         Scalar{"1 ", false, false},
                                         Scalar{"", false, false},
                                         Scalar{"-", false, false},
                                         Scalar{"1e3", false, true},
                                         Scalar{"0.5", false, true},
                                         Scalar{"5e-4", false, true},
                                         Scalar{"1e999", false, false},
                                         Scalar{"1e", false, false},
                                         Scalar{".nan", false, false},
                                         Scalar{"nan", false, false},
                                         Scalar{"-.inf", false, false},
                                         Scalar{"inf", false, false},
                                         Scalar{"Infinity", false, false},
                                         Scalar{"true", false, false}));

TEST(Options, QuotedScalarsAreTextOnly) {
  for (const char* key : {"epochs", "bias"}) {
    ConfigNode value = plain(std::string(key) == "bias" ? "true" : "5");
    value.quoted = true;
    SampleOptions options;
    EXPECT_THAT(faults_of(options, map_of(key, value)), testing::HasSubstr("in quotes"));
  }
  ConfigNode value = plain("012");
  SampleOptions options;
  EXPECT_EQ(faults_of(options, map_of("output", value)), "");
  EXPECT_EQ(options.output, "012");
}

TEST(Options, BooleansAreTrueAndFalseAlone) {
  for (const char* text : {"yes", "no", "on", "True", "TRUE", "1", "0", ""}) {
    SampleOptions options;
    EXPECT_THAT(faults_of(options, map_of("bias", plain(text))),
                testing::HasSubstr("expected true or false"))
        << text;
  }
}

TEST(Options, UnknownChoiceListsTheKnownAndTheNearest) {
  EXPECT_EQ(faults_of_json(R"({"layers": [{"kind": "gta"}]})"),
            "job.json: layers[0].kind: expected one of gat, dot, found 'gta'; did you mean 'gat'?");
}

TEST(Options, MessagesStayOnOneLine) {
  SampleOptions options;
  const std::string text = faults_of(options, map_of("epo\nchs", plain("a")));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 0) << text;
  EXPECT_THAT(text, testing::HasSubstr("epo\\x0achs"));
}

struct NeedsPath {
  std::string path;
  void declare(OptionGroup& group) { group.text("path", path, "the file").required(); }
};

TEST(Options, RequiredOptionsAreMissedInAbsentSectionsToo) {
  NeedsPath inner;
  OptionGroup group;
  group.section("input", inner, "what is read");
  EXPECT_THROW(group.apply(ConfigNode{}), Error);
  group.set_presence("input", Presence::kOptional);
  EXPECT_NO_THROW(group.apply(ConfigNode{}));
  group.set_presence("input", Presence::kRequired);
  try {
    group.apply(ConfigNode{});
    FAIL() << "a required section is absent";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_THAT(error.what(), testing::HasSubstr("input: required, but missing"));
  }
}

TEST(Options, PresentOptionalSectionIsCheckedInFull) {
  NeedsPath inner;
  OptionGroup group;
  group.section("input", inner, "what is read");
  group.set_presence("input", Presence::kOptional);
  EXPECT_THROW(group.apply(map_of("input", ConfigNode{})), Error);
}

struct WholeOrChunks {
  std::int64_t chunks = 0;
  void declare(OptionGroup& group) {
    group.word_for_defaults("full");
    group.integer("chunks", chunks, {.min = 0}, "chunks a step");
  }
};

TEST(Options, AWordMayStandForASectionAtItsDefaults) {
  WholeOrChunks step;
  OptionGroup group;
  group.section("step", step, "what a step covers");
  EXPECT_NO_THROW(group.apply(map_of("step", plain("full"))));
  EXPECT_EQ(step.chunks, 0);
  EXPECT_EQ(group.describe()[0].type, "'full' or a section");
  try {
    group.apply(map_of("step", plain("half")));
    FAIL() << "no such word";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "job.yaml:3:9: step: expected a map or 'full', found 'half'");
  }
}

TEST(Options, DescribeListsEveryOptionOnceInOrder) {
  SampleOptions options;
  OptionGroup group;
  options.declare(group);
  std::vector<std::string> paths;
  for (const OptionDescription& row : group.describe()) paths.push_back(row.path);
  EXPECT_THAT(paths,
              testing::ElementsAre("epochs",
                                   "bias",
                                   "output",
                                   "weights",
                                   "fanout",
                                   "columns",
                                   "layers",
                                   "layers[].kind",
                                   "layers[].heads",
                                   "optimiser",
                                   "optimiser.learning_rate",
                                   "optimiser.momentum"));
  const OptionDescription momentum = group.describe().back();
  EXPECT_EQ(momentum.type, "number");
  EXPECT_EQ(momentum.range, "[0, 1)");
  EXPECT_EQ(momentum.fallback, "0");
  EXPECT_EQ(momentum.help, "momentum");
}

TEST(Options, TheSameNameTwiceIsADefect) {
  bool first = false;
  bool second = false;
  OptionGroup group;
  group.flag("bias", first, "");
  EXPECT_THROW(group.flag("bias", second, ""), Error);
}

}  // namespace
}  // namespace regatta
