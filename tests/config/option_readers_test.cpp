// Each option of a job that depends on another one: which choices read it, and that all others
// refuse it.
#include "config/option_readers.h"

#include "cli/job_config.h"
#include "config/apply_config.h"
#include "config/yaml_loader.h"
#include "core/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <sstream>

namespace regatta {
namespace {

using Texts = std::vector<std::string>;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kJob =
    "dataset: a\npreprocess: {edges: {path: e}}\nmodel: {layers: [{}, {heads: 2}]}\n";

std::string faults_of(const ConfigNode& root) {
  JobConfig config;
  OptionGroup group;
  config.declare(group, JobUse::kCheck);
  try {
    apply_config(group, root);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    return error.what();
  }
  return "";
}

std::string faults_of(const std::string& text, const Texts& overrides) {
  ConfigNode root = load_yaml_text(text, "job.yaml");
  for (const std::string& assignment : overrides) apply_override(root, assignment);
  return faults_of(root);
}

std::vector<OptionDescription> rows_of_job() {
  JobConfig config;
  OptionGroup group;
  config.declare(group, JobUse::kCheck);
  return group.describe();
}

const OptionDescription* row_of(const std::vector<OptionDescription>& rows, std::string_view path) {
  for (const OptionDescription& row : rows) {
    if (row.path == path)
      return &row;
  }
  return nullptr;
}

std::set<std::string> words(std::string text, char separator) {
  std::set<std::string> list;
  std::istringstream stream(std::move(text));
  for (std::string word; std::getline(stream, word, separator);) list.insert(word);
  return list;
}

/// The choices of "one of a|b"; empty for texts, lists and flags.
std::set<std::string> choices(const OptionDescription& row) {
  return row.type.starts_with("one of ") ? words(row.type.substr(7), '|') : std::set<std::string>();
}

struct Dependence {
  const char* name;
  Texts values;        ///< each of them, none a default
  std::string by;      ///< the other option
  Texts read, unread;  ///< its values that read `values`, and all others
  Texts with = {};     ///< what else the first option needs
};

class Dependences : public testing::TestWithParam<Dependence> {
 protected:
  static std::string faults(const std::string& value, const std::string& other) {
    Texts overrides = GetParam().with;
    overrides.push_back(GetParam().by + "=" + other);
    overrides.push_back(value);
    return faults_of(kJob, overrides);
  }
};

TEST_P(Dependences, AreReadByTheirChoicesAlone) {
  for (const std::string& value : GetParam().values) {
    for (const std::string& other : GetParam().read) EXPECT_EQ(faults(value, other), "") << other;
    for (const std::string& other : GetParam().unread) {
      const std::string key = "--set " + value.substr(0, value.find('='));
      const std::string found = faults(value, other);
      EXPECT_THAT(found, StartsWith(key + ": has no effect: it is for ")) << other;
      EXPECT_THAT(found, HasSubstr("; leave it out, or at its default "));
      EXPECT_EQ(std::count(found.begin(), found.end(), '\n'), 0) << found;
    }
  }
}

TEST_P(Dependences, SayNothingAtTheirDefaults) {
  const auto rows = rows_of_job();
  for (const std::string& value : GetParam().values) {
    std::string path = value.substr(0, value.find('='));
    const std::string key = path;
    if (const std::size_t at = path.find(".0."); at != std::string::npos)
      path.replace(at, 3, "[].");
    ASSERT_NE(row_of(rows, path), nullptr) << path;
    for (const std::string& other : GetParam().unread)
      EXPECT_EQ(faults(key + "=" + row_of(rows, path)->fallback, other), "");
  }
}

TEST_P(Dependences, KnowEveryChoiceOfTheOther) {
  std::string path = GetParam().by;
  if (const std::size_t at = path.find(".0."); at != std::string::npos)
    path.replace(at, 3, "[].");
  const auto rows = rows_of_job();
  ASSERT_NE(row_of(rows, path), nullptr) << path;
  std::set<std::string> listed(GetParam().read.begin(), GetParam().read.end());
  listed.insert(GetParam().unread.begin(), GetParam().unread.end());
  const auto all = choices(*row_of(rows, path));
  EXPECT_TRUE(all.empty() || listed == all) << testing::PrintToString(all);
}

INSTANTIATE_TEST_SUITE_P(Model,
                         Dependences,
                         testing::Values(Dependence{"NegativeSlope",
                                                    {"model.layers.0.negative_slope=0.9",
                                                     "model.layers.0.negative_slope=0"},
                                                    "model.layers.0.attention",
                                                    {"gat", "gatv2"},
                                                    {"transformer", "dot"}},
                                         Dependence{"ScoreOnAndScale",
                                                    {"model.layers.0.score_on=input",
                                                     "model.layers.0.scale=none"},
                                                    "model.layers.0.attention",
                                                    {"dot"},
                                                    {"gat", "gatv2", "transformer"}},
                                         Dependence{"ShareWeights",
                                                    {"model.layers.0.share_weights=true"},
                                                    "model.layers.0.attention",
                                                    {"gatv2"},
                                                    {"gat", "transformer", "dot"}},
                                         Dependence{"OfEveryAttention",
                                                    {"model.layers.0.logit_scale=2",
                                                     "model.layers.0.edge_features=true",
                                                     "model.layers.0.relations=bias",
                                                     "model.layers.0.message_dropout=0.5",
                                                     "model.layers.0.attention_dropout=0.5",
                                                     "model.layers.0.input_dropout=0.5",
                                                     "model.layers.0.bias=false"},
                                                    "model.layers.0.attention",
                                                    {"gat", "gatv2", "transformer", "dot"},
                                                    {}},
                                         Dependence{"NormPlace",
                                                    {"model.layers.0.norm_place=before"},
                                                    "model.layers.0.norm",
                                                    {"layer", "graph"},
                                                    {"none"}},
                                         Dependence{"NormPlaceOfLayerNorm",
                                                    {"model.layers.0.norm_place=before"},
                                                    "model.layers.0.layer_norm",
                                                    {"true"},
                                                    {"false"}}),
                         [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Train,
    Dependences,
    testing::Values(Dependence{"Momentum",
                               {"train.optimiser.momentum=0.9"},
                               "train.optimiser.kind",
                               {"sgd", "gradient_descent", "rmsprop"},
                               {"adam", "adamw", "adagrad"}},
                    Dependence{"Nesterov",
                               {"train.optimiser.nesterov=true"},
                               "train.optimiser.kind",
                               {"sgd", "gradient_descent"},
                               {"adam", "adamw", "adagrad", "rmsprop"}},
                    Dependence{"Betas",
                               {"train.optimiser.beta1=0.8", "train.optimiser.beta2=0.98"},
                               "train.optimiser.kind",
                               {"adam", "adamw"},
                               {"sgd", "gradient_descent", "adagrad", "rmsprop"}},
                    Dependence{"Epsilon",
                               {"train.optimiser.epsilon=1e-6"},
                               "train.optimiser.kind",
                               {"adam", "adamw", "adagrad", "rmsprop"},
                               {"sgd", "gradient_descent"}},
                    Dependence{"Smoothing",
                               {"train.optimiser.smoothing=0.9"},
                               "train.optimiser.kind",
                               {"rmsprop"},
                               {"adam", "adamw", "adagrad", "sgd", "gradient_descent"}},
                    Dependence{
                        "OfEveryOptimiser",
                        {"train.optimiser.learning_rate=0.1", "train.optimiser.weight_decay=0.1"},
                        "train.optimiser.kind",
                        {"adam", "adamw", "adagrad", "rmsprop", "sgd", "gradient_descent"},
                        {}},
                    Dependence{"ScheduleEvery",
                               {"train.schedule.every=5"},
                               "train.schedule.kind",
                               {"step"},
                               {"constant", "cosine", "plateau"}},
                    Dependence{"ScheduleFactor",
                               {"train.schedule.factor=0.1"},
                               "train.schedule.kind",
                               {"step", "plateau"},
                               {"constant", "cosine"}},
                    Dependence{"ScheduleMinimum",
                               {"train.schedule.minimum=0.001"},
                               "train.schedule.kind",
                               {"cosine", "plateau"},
                               {"constant", "step"}},
                    Dependence{"SchedulePatience",
                               {"train.schedule.patience=3"},
                               "train.schedule.kind",
                               {"plateau"},
                               {"constant", "step", "cosine"}},
                    Dependence{"Warmup",
                               {"train.schedule.warmup=3"},
                               "train.schedule.kind",
                               {"constant", "step", "cosine", "plateau"},
                               {}},
                    Dependence{"ClassWeights",
                               {"task.weights=[1, 2]"},
                               "task.class_weights",
                               {"given"},
                               {"none", "balanced"}},
                    Dependence{"Kernels",
                               {"runtime.kernels=cpu", "runtime.kernels=reference"},
                               "runtime.device",
                               {"auto", "cpu"},
                               {"cuda"}},
                    Dependence{"WhatIsLeftOutOnAnyDevice",
                               {"runtime.amx=false", "runtime.cuda_graph=off"},
                               "runtime.device",
                               {"auto", "cpu", "cuda"},
                               {}}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Preprocess,
    Dependences,
    testing::Values(
        Dependence{
            "NumNodes", {"preprocess.num_nodes=9"}, "preprocess.nodes.path", {"''"}, {"nodes.csv"}},
        Dependence{"NodeTable",
                   {"preprocess.nodes.format=csv",
                    "preprocess.nodes.header=no",
                    "preprocess.nodes.comment=//",
                    "preprocess.nodes.id=name",
                    "preprocess.nodes.label=class",
                    "preprocess.nodes.features=[a]",
                    "preprocess.nodes.num_features=7",
                    "preprocess.nodes.first_index=0",
                    "preprocess.features.normalise=row_l1",
                    "preprocess.features.fill=zero"},
                   "preprocess.nodes.path",
                   {"nodes.txt"},
                   {"''"}},
        Dependence{"NodeColumns",
                   {"preprocess.nodes.header=no",
                    "preprocess.nodes.id=name",
                    "preprocess.nodes.label=class",
                    "preprocess.nodes.features=[a]"},
                   "preprocess.nodes.format",
                   {"auto", "csv", "tsv"},
                   {"svmlight"},
                   {"preprocess.nodes.path=nodes"}},
        Dependence{"NodeIndices",
                   {"preprocess.nodes.num_features=7", "preprocess.nodes.first_index=0"},
                   "preprocess.nodes.format",
                   {"auto", "svmlight"},
                   {"csv", "tsv"},
                   {"preprocess.nodes.path=nodes"}},
        Dependence{"LabelTable",
                   {"preprocess.labels.format=csv",
                    "preprocess.labels.header=no",
                    "preprocess.labels.id=name",
                    "preprocess.labels.label=class"},
                   "preprocess.labels.path",
                   {"labels.csv"},
                   {"''"}},
        Dependence{"SplitTable",
                   {"preprocess.splits.format=csv",
                    "preprocess.splits.header=no",
                    "preprocess.splits.node=name",
                    "preprocess.splits.split=set"},
                   "preprocess.splits.path",
                   {"split.csv"},
                   {"''"}},
        Dependence{"SplitPath",
                   {"preprocess.splits.path=split.csv"},
                   "preprocess.splits.method",
                   {"auto", "given"},
                   {"random", "none"}},
        Dependence{"RandomSplits",
                   {"preprocess.splits.unit=count",
                    "preprocess.splits.train=0.5",
                    "preprocess.splits.validation=0.1",
                    "preprocess.splits.test=0.1",
                    "preprocess.splits.stratified=false",
                    "preprocess.splits.seed=3"},
                   "preprocess.splits.method",
                   {"random"},
                   {"auto", "given", "none"}},
        Dependence{"ReverseTypesByDirection",
                   {"preprocess.clean.reverse_types=own"},
                   "preprocess.clean.direction",
                   {"undirected"},
                   {"directed", "reversed"},
                   {"preprocess.edges.type=kind"}},
        Dependence{"ReverseTypes",
                   {"preprocess.clean.reverse_types=own"},
                   "preprocess.edges.type",
                   {"kind"},
                   {"''"}},
        Dependence{"SelfLoopFill",
                   {"preprocess.clean.self_loop_fill=mean"},
                   "preprocess.clean.self_loops",
                   {"add"},
                   {"drop", "keep"},
                   {"preprocess.edges.features=[a]"}},
        Dependence{"EdgeFeatures",
                   {"preprocess.clean.self_loop_fill=mean",
                    "preprocess.edge_features.normalise=min_max",
                    "preprocess.edge_features.fill=zero"},
                   "preprocess.edges.features",
                   {"[a]"},
                   {"[]"}},
        Dependence{"FillValue",
                   {"preprocess.features.fill_value=2"},
                   "preprocess.features.fill",
                   {"constant"},
                   {"error", "zero", "mean", "median"},
                   {"preprocess.nodes.path=nodes"}},
        Dependence{"EdgeFillValue",
                   {"preprocess.edge_features.fill_value=2"},
                   "preprocess.edge_features.fill",
                   {"constant"},
                   {"error", "zero", "mean", "median"},
                   {"preprocess.edges.features=[a]"}},
        Dependence{"PartitionSeed",
                   {"preprocess.partition.seed=2"},
                   "preprocess.partition.method",
                   {"metis"},
                   {"range"}},
        Dependence{"Hops",
                   {"preprocess.halo.hops=3"},
                   "preprocess.halo.mode",
                   {"exact"},
                   {"one_hop", "none"}}),
    [](const auto& info) { return info.param.name; });

TEST(OptionReaders, NameOptionsAndChoicesThatExist) {
  const auto rows = rows_of_job();
  for (const OptionReader& reader : option_readers()) {
    for (const std::string& name : words(std::string(reader.names), '|'))
      EXPECT_NE(row_of(rows, std::string(reader.section) + "." + name), nullptr) << name;
    for (const OptionState& state : {reader.when, reader.or_when}) {
      if (state.key.empty())
        continue;
      ASSERT_NE(row_of(rows, state.key), nullptr) << state.key;
      const auto known = choices(*row_of(rows, state.key));
      for (const std::string& value : words(std::string(state.values), '|'))
        EXPECT_TRUE(known.empty() || known.contains(value)) << state.key << ": " << value;
    }
  }
}

TEST(OptionReaders, ALayerAnswersForItself) {
  const Texts both = {"model.layers.0.attention=dot", "model.layers.1.scale=none"};
  EXPECT_EQ(faults_of(kJob, both),
            "--set model.layers.1.scale: has no effect: it is for attention: dot, but attention is "
            "gat; leave it out, or at its default sqrt_width");
}

TEST(OptionReaders, FaultsOfAFileHaveLineAndColumn) {
  EXPECT_EQ(faults_of("dataset: a\n"
                      "model:\n"
                      "  layers:\n"
                      "    - attention: transformer\n"
                      "      scale: none\n"
                      "train:\n"
                      "  epochs: 0\n"
                      "  optimiser: {beta1: 0.5, kind: sgd}\n",
                      {}),
            "job.yaml:7:11: train.epochs: expected an integer in the range >= 1, found 0\n"
            "job.yaml:5:14: model.layers.0.scale: has no effect: it is for attention: dot, but "
            "attention is transformer; leave it out, or at its default sqrt_width\n"
            "job.yaml:8:22: train.optimiser.beta1: has no effect: it is for kind: adam or adamw, "
            "but kind is sgd; leave it out, or at its default 0.9");
}

TEST(OptionReaders, AChoiceChangedByOverrideMayTakeTheRestAlong) {
  const std::string file = std::string(kJob) + "train: {optimiser: {momentum: 0.9, kind: sgd}}\n";
  EXPECT_EQ(faults_of(file, {}), "");
  EXPECT_THAT(faults_of(file, {"train.optimiser.kind=adam"}),
              StartsWith("job.yaml:4:31: train.optimiser.momentum: has no effect"));
  EXPECT_EQ(faults_of(file, {"train.optimiser.kind=adam", "train.optimiser.momentum=0"}), "");
  EXPECT_EQ(faults_of(file, {"train.optimiser={kind: adam}"}), "");
}

/// The whole configuration, defaults included, as it is stored with results.
nlohmann::ordered_json stored(const Texts& overrides) {
  ConfigNode root = load_yaml_text(kJob, "job.yaml");
  for (const std::string& assignment : overrides) apply_override(root, assignment);
  JobConfig config;
  OptionGroup group;
  config.declare(group, JobUse::kCheck);
  group.apply(root);
  return group.values();
}

TEST(OptionReaders, AConfigurationThatListsAllDefaultsIsLegal) {
  const auto rows = rows_of_job();
  for (const char* key : {"attention", "norm"}) {
    for (const std::string& kind : choices(*row_of(rows, std::string("model.layers[].") + key))) {
      const auto json = stored({std::string("model.layers.0.") + key + "=" + kind});
      EXPECT_EQ(faults_of(json.dump(), {}), "") << kind;
      EXPECT_EQ(faults_of(config_node_from_json(json, "state.json")), "") << kind;
    }
  }
  for (const char* key : {"train.optimiser.kind", "train.schedule.kind", "runtime.device"}) {
    for (const std::string& kind : choices(*row_of(rows, key)))
      EXPECT_EQ(faults_of(stored({std::string(key) + "=" + kind}).dump(), {}), "") << kind;
  }
}

TEST(OptionReaders, CheckpointsOfEarlierConfigurationsStayReadable) {
  // Checkpoints are read by OptionGroup::apply, which asks for no reader.
  const auto json = stored({"model.layers.0.attention=transformer",
                            "model.layers.0.scale=none",
                            "train.optimiser.momentum=0.9"});
  JobConfig config;
  OptionGroup group;
  config.declare(group, JobUse::kCheck);
  EXPECT_NO_THROW(group.apply(config_node_from_json(json, "state.json")));
  EXPECT_NE(faults_of(json.dump(), {}), "");
}

}  // namespace
}  // namespace regatta
