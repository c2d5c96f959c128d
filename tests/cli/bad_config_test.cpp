// Faulty configurations: each ends with exit code 2 and a message that names the place.
#include "checkpoint/scratch_folder.h"
#include "cli/job_config.h"
#include "core/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <vector>

namespace regatta {
namespace {

/// A good file; the cases replace one piece of it, so that nothing else is wrong.
constexpr const char* kGood = R"(dataset: data/chunks
output: runs/one
preprocess:
  edges:
    path: edges.csv
  partition: {method: range, chunks: 4}
model:
  layers:
    - {attention: gat, heads: 8, width: 8}
    - {attention: gat, width: 0}
train:
  epochs: 200
  optimiser:
    kind: adam
    learning_rate: 0.005
runtime:
  device: cpu
)";

std::string with(const std::string& piece, const std::string& replacement) {
  std::string text = kGood;
  const std::size_t at = text.find(piece);
  if (at == std::string::npos)
    throw std::logic_error("no '" + piece + "' in the good file");
  return text.replace(at, piece.size(), replacement);
}

struct BadConfig {
  const char* name;
  std::string text;
  std::vector<std::string> overrides;
  const char* message;  ///< regular expression; FILE stands for the file's path
};

/// The message, or "" when the file is accepted.
std::string message_of(const BadConfig& bad, JobUse use) {
  const test::ScratchFolder folder;
  const std::string path = folder / "job.yaml";
  test::write_bytes(path, bad.text);
  try {
    load_job_config(path, bad.overrides, use);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    std::string text = error.what();
    for (std::size_t at = 0; (at = text.find(path)) != std::string::npos;) {
      text.replace(at, path.size(), "FILE");
    }
    return text;
  }
  return "";
}

class BadConfigs : public testing::TestWithParam<BadConfig> {};

TEST_P(BadConfigs, EndWithAMessageThatNamesThePlace) {
  const std::string message = message_of(GetParam(), JobUse::kTrain);
  EXPECT_TRUE(std::regex_search(message, std::regex(GetParam().message)))
      << "message:  " << message << "\nexpected: " << GetParam().message;
}

BadConfig set(const char* name, const char* assignment, const char* message) {
  return {name, kGood, {assignment}, message};
}

INSTANTIATE_TEST_SUITE_P(
    Files,
    BadConfigs,
    testing::Values(
        BadConfig{"UnknownKey",
                  with("epochs", "epoch"),
                  {},
                  "^FILE:12:3: train\\.epoch: unknown key; did you mean 'epochs'\\?$"},
        BadConfig{"UnknownInnerKey",
                  with("learning_rate", "learning_rat"),
                  {},
                  "^FILE:15:5: train\\.optimiser\\.learning_rat: unknown key; did you mean "
                  "'learning_rate'\\?$"},
        BadConfig{"UnknownSection",
                  with("runtime:", "run-time:"),
                  {},
                  "^FILE:16:1: run-time: unknown key; did you mean 'runtime'\\?$"},
        BadConfig{"KeyInTheWrongSection",
                  with("  epochs: 200", "  learning_rate: 1"),
                  {},
                  "^FILE:12:3: train\\.learning_rate: unknown key here; did you mean "
                  "'train\\.optimiser\\.learning_rate'\\?$"},
        BadConfig{"KeyNotNearAny",
                  with("epochs", "xyzzy"),
                  {},
                  "^FILE:12:3: train\\.xyzzy: unknown key; known here: epochs, "},
        BadConfig{"UnknownLayerKey",
                  with("width: 0", "widht: 0"),
                  {},
                  "^FILE:10:24: model\\.layers\\[1\\]\\.widht: unknown key; did you mean 'width'"},
        BadConfig{"DuplicateKey",
                  with("output: runs/one", "dataset: other"),
                  {},
                  "^FILE:2:1: duplicate key 'dataset', first at FILE:1:1$"},
        BadConfig{"DuplicateInnerKey",
                  with("heads: 8", "width: 8"),
                  {},
                  "^FILE:9:34: duplicate key 'width', first at FILE:9:24$"},
        BadConfig{"TextForInteger",
                  with("200", "many"),
                  {},
                  "^FILE:12:11: train\\.epochs: expected an integer, found 'many'$"},
        BadConfig{"FractionForInteger",
                  with("200", "2.5"),
                  {},
                  "^FILE:12:11: train\\.epochs: expected an integer, found '2\\.5'$"},
        BadConfig{"ExponentForInteger",
                  with("200", "2e2"),
                  {},
                  "^FILE:12:11: train\\.epochs: expected an integer"},
        BadConfig{"OctalInteger",
                  with("200", "0200"),
                  {},
                  "^FILE:12:11: train\\.epochs: expected an integer, found '0200' .*leading zero"},
        BadConfig{"HexInteger", with("200", "0xC8"), {}, "^FILE:12:11: train\\.epochs: expected"},
        BadConfig{"QuotedInteger",
                  with("200", "'200'"),
                  {},
                  "^FILE:12:11: train\\.epochs: expected an integer, found '200' in quotes$"},
        BadConfig{"HugeInteger",
                  with("200", "99999999999999999999"),
                  {},
                  "^FILE:12:11: train\\.epochs: .*does not fit 64 bits$"},
        BadConfig{"IntegerBelowRange",
                  with("200", "0"),
                  {},
                  "^FILE:12:11: train\\.epochs: expected an integer in the range >= 1, found 0$"},
        BadConfig{"EmptyInteger",
                  with(" 200", ""),
                  {},
                  "^FILE:12:3: train\\.epochs: expected an integer, found nothing$"},
        BadConfig{"ListForInteger",
                  with("200", "[200]"),
                  {},
                  "^FILE:12:11: train\\.epochs: expected an integer, found a list$"},
        BadConfig{"NotANumber",
                  with("0.005", ".nan"),
                  {},
                  "^FILE:15:20: train\\.optimiser\\.learning_rate: expected a finite number, found "
                  "'\\.nan'$"},
        BadConfig{"InfiniteNumber",
                  with("0.005", "-.inf"),
                  {},
                  "^FILE:15:20: train\\.optimiser\\.learning_rate: expected a finite number"},
        BadConfig{"NumberTooLarge",
                  with("0.005", "1e999"),
                  {},
                  "^FILE:15:20: train\\.optimiser\\.learning_rate: .*double precision"},
        BadConfig{
            "NumberOutOfRange",
            with("0.005", "0"),
            {},
            "^FILE:15:20: train\\.optimiser\\.learning_rate: expected a number in the range > "
            "0, found 0$"},
        BadConfig{
            "DropoutOfOne",
            with("heads: 8", "input_dropout: 1"),
            {},
            "^FILE:9:39: model\\.layers\\[0\\]\\.input_dropout: .*range \\[0, 1\\), found 1$"},
        BadConfig{"DecimalComma", with("0.005", "0,005"), {}, "^FILE:15:20: train\\.optimiser"},
        BadConfig{
            "BooleanYes",
            with("heads: 8", "bias: yes"),
            {},
            "^FILE:9:30: model\\.layers\\[0\\]\\.bias: expected true or false, found 'yes'"},
        BadConfig{"UnknownChoice",
                  with("adam", "adan"),
                  {},
                  "^FILE:14:11: train\\.optimiser\\.kind: expected one of .*'adan'; did you mean "
                  "'adam'\\?$"},
        BadConfig{"UnknownAttention",
                  with("attention: gat, heads", "attention: gatt, heads"),
                  {},
                  "^FILE:9:19: model\\.layers\\[0\\]\\.attention: .*did you mean 'gat'"},
        BadConfig{"ScalarForSection",
                  with("runtime:\n  device: cpu", "runtime: cpu"),
                  {},
                  "^FILE:16:10: runtime: expected a map, found 'cpu'$"},
        BadConfig{
            "MapForList",
            with("    - {attention: gat, heads: 8, width: 8}\n    - {attention: gat, width: 0}",
                 "    heads: 8"),
            {},
            "^FILE:9:5: model\\.layers: expected a list of maps, found a map$"},
        BadConfig{"ScalarForListItem",
                  with("{attention: gat, width: 0}", "gat"),
                  {},
                  "^FILE:10:7: model\\.layers\\[1\\]: expected a map, found 'gat'$"},
        BadConfig{
            "LayerOptionOfAnotherAttention",
            with("width: 0", "width: 0, scale: none"),
            {},
            "^FILE:10:41: model\\.layers\\.1\\.scale: has no effect: it is for attention: dot, "
            "but attention is gat; leave it out, or at its default sqrt_width$"},
        BadConfig{"OptionOfAnotherOptimiser",
                  with("learning_rate: 0.005", "momentum: 0.9"),
                  {},
                  "^FILE:15:15: train\\.optimiser\\.momentum: has no effect: it is for kind: sgd, "
                  "gradient_descent or rmsprop, but kind is adam; "},
        BadConfig{"MissingDataset",
                  with("dataset: data/chunks\n", ""),
                  {},
                  "^FILE:1:1: dataset: required, but missing"},
        BadConfig{"MissingLayers",
                  "dataset: a\nmodel: {}\n",
                  {},
                  "^FILE:2:8: model\\.layers: required, but missing"},
        BadConfig{"MissingModel", "dataset: a\n", {}, "^FILE:1:1: model: required, but missing"},
        BadConfig{"MissingEdges",
                  "dataset: a\npreprocess:\nmodel: {layers: [{}]}\n",
                  {},
                  "^FILE:2:1: preprocess\\.edges\\.path: required, but missing"},
        BadConfig{"EmptyFile", "", {}, "^FILE: dataset: required, but missing"},
        BadConfig{"ListAtTheTop", "- dataset: a\n", {}, "^FILE:1:1: expected a map, found a list$"},
        BadConfig{"ScalarAtTheTop", "dataset\n", {}, "^FILE:1:1: expected a map, found 'dataset'$"},
        BadConfig{"Anchor", with("200", "&n 200"), {}, "^FILE:12:11: anchors \\(&n\\)"},
        BadConfig{"Alias", with("200", "*n"), {}, "^FILE:12:11: "},
        BadConfig{"Tag", with("200", "!!int 200"), {}, "^FILE:12:11: tags "},
        BadConfig{"BadIndent", with("  epochs", " \tepochs"), {}, "^FILE:1[0-9]:[0-9]+: "},
        BadConfig{"OpenBracket", with("width: 0}", "width: 0"), {}, "^FILE:[0-9]+:[0-9]+: "},
        BadConfig{"TwoDocuments", std::string(kGood) + "---\na: 1\n", {}, "^FILE: .*more than one"},
        BadConfig{"ZeroByte",
                  with("adam", std::string("a\0am", 4)),
                  {},
                  "^FILE:14:12: byte 0x00 is not allowed"},
        BadConfig{"Deep",
                  with("200", std::string(80, '[') + std::string(80, ']')),
                  {},
                  "^FILE:12:[0-9]+: nested deeper than 64 levels$"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Overrides,
    BadConfigs,
    testing::Values(
        set("NoValue", "train.epochs", "^--set 'train\\.epochs': expected KEY=VALUE"),
        set("NoKey", "=5", "^--set '=5': expected KEY=VALUE"),
        set("EmptyName", "train..epochs=5", "^--set 'train\\.\\.epochs=5': expected KEY=VALUE"),
        set("EmptyValue",
            "train.epochs=",
            "^--set train\\.epochs: expected an integer, found nothing$"),
        set("WrongType",
            "train.epochs=x",
            "^--set train\\.epochs: expected an integer, found 'x'$"),
        set("OutOfRange", "train.epochs=-1", "^--set train\\.epochs: .*range >= 1, found -1$"),
        set("NotFinite",
            "train.clip_norm=nan",
            "^--set train\\.clip_norm: expected a finite number"),
        set("UnknownName",
            "train.optimiser.lr=1",
            "^--set train\\.optimiser\\.lr: unknown key; known here: "),
        set("NearName",
            "train.epoch=1",
            "^--set train\\.epoch: unknown key; did you mean 'epochs'"),
        set("UnknownTop", "trian.epochs=1", "^--set trian\\.epochs: trian: .*did you mean 'train'"),
        set("InsideAValue", "train.epochs.x=1", "^--set train\\.epochs\\.x: .*FILE:12:11$"),
        set("NoSuchLayer",
            "model.layers.2.heads=1",
            "^--set model\\.layers\\.2\\.heads: '2' is no item"),
        set("LayerField", "model.layers.0.heads=0", "^--set model\\.layers\\.0\\.heads: .*range"),
        set("LayerOptionUnread",
            "model.layers.0.share_weights=true",
            "^--set model\\.layers\\.0\\.share_weights: has no effect: it is for attention: gatv2"),
        set("OptionUnread",
            "train.schedule.factor=0.1",
            "^--set train\\.schedule\\.factor: has no effect: it is for kind: step or plateau, but "
            "kind is constant; leave it out, or at its default 0\\.5$"),
        set("BadYaml", "train.epochs=[1", "^--set train\\.epochs:1:1: "),
        set("Alias", "train.epochs=*x", "^--set train\\.epochs:1:1: ")),
    [](const auto& info) { return info.param.name; });

TEST(JobConfig, TheGoodFileIsGoodForEveryUse) {
  const BadConfig good{"good", kGood, {}, ""};
  for (const JobUse use : {JobUse::kPreprocess, JobUse::kTrain, JobUse::kCheck}) {
    EXPECT_EQ(message_of(good, use), "");
  }
}

TEST(JobConfig, ACommandNeedsOnlyItsOwnSections) {
  const BadConfig raw{"raw", "dataset: a\npreprocess: {edges: {path: e}}\n", {}, ""};
  const BadConfig model{"model", "dataset: a\nmodel: {layers: [{}]}\n", {}, ""};
  EXPECT_EQ(message_of(raw, JobUse::kPreprocess), "");
  EXPECT_EQ(message_of(model, JobUse::kTrain), "");
  EXPECT_THAT(message_of(raw, JobUse::kTrain), testing::HasSubstr("model: required"));
  EXPECT_THAT(message_of(model, JobUse::kPreprocess), testing::HasSubstr("preprocess: required"));
}

TEST(JobConfig, SectionsOfOtherCommandsAreCheckedToo) {
  const BadConfig bad{"bad", with("chunks: 4", "chunks: 0"), {}, ""};
  EXPECT_THAT(message_of(bad, JobUse::kTrain), testing::HasSubstr("preprocess.partition.chunks"));
}

TEST(JobConfig, EveryFaultIsReportedAtOnce) {
  BadConfig bad{"bad", with("200", "0"), {"runtime.device=gpu"}, ""};
  const std::string message = message_of(bad, JobUse::kTrain);
  EXPECT_THAT(message, testing::HasSubstr("FILE:12:11: train.epochs"));
  EXPECT_THAT(message, testing::HasSubstr("\n--set runtime.device: expected one of"));
}

TEST(JobConfig, ValuesThatNothingReadAreFaultsBesideAllOthers) {
  BadConfig bad{"bad", with("200", "0"), {"model.layers.1.negative_slope=0.5"}, ""};
  bad.overrides.push_back("model.layers.1.attention=transformer");
  for (const JobUse use : {JobUse::kPreprocess, JobUse::kTrain, JobUse::kCheck}) {
    const std::string message = message_of(bad, use);
    EXPECT_THAT(message, testing::HasSubstr("FILE:12:11: train.epochs"));
    EXPECT_THAT(message,
                testing::HasSubstr("\n--set model.layers.1.negative_slope: has no effect"));
  }
}

TEST(JobConfig, OptionsOfAnotherChoiceMayStandAtTheirDefaults) {
  const BadConfig good{"good",
                       with("width: 0", "width: 0, scale: sqrt_width, negative_slope: 0.2"),
                       {"model.layers.1.attention=transformer", "train.optimiser.momentum=0"},
                       ""};
  EXPECT_EQ(message_of(good, JobUse::kCheck), "");
}

TEST(JobConfig, AFileThatIsNotThereIsAConfigurationError) {
  try {
    load_job_config("absent/job.yaml", {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_THAT(error.what(), testing::HasSubstr("absent/job.yaml"));
  }
}

}  // namespace
}  // namespace regatta
