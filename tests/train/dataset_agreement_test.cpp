// Which datasets a checkpoint's model may be used on.
#include "core/error.h"
#include "train/training_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace regatta {
namespace {

Manifest trained_on() {
  Manifest manifest;
  manifest.feature_width = 7;
  manifest.edge_features.width = 2;
  manifest.edge_features.names = {"weight", "age"};
  manifest.edge_types.names = {"knows", "likes", "self_loop"};
  manifest.targets["label"].classes = {"a", "b"};
  return manifest;
}

nlohmann::ordered_json state_of(const Manifest& manifest) {
  return describe_training({}, manifest, {"a", "b"});
}

void expect_refused(const std::function<void(Manifest&)>& change, const std::string& words) {
  Manifest other = trained_on();
  change(other);
  try {
    check_dataset_agrees(state_of(trained_on()), other, "runs/a");
    ADD_FAILURE() << "was accepted, expected: " << words;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kData);
    EXPECT_THAT(error.what(), testing::StartsWith("runs/a: "));
    EXPECT_THAT(error.what(), testing::HasSubstr(words));
    EXPECT_THAT(error.what(), testing::HasSubstr("preprocess"));
  }
}

TEST(DatasetAgreement, TheSameIsAccepted) {
  EXPECT_NO_THROW(check_dataset_agrees(state_of(trained_on()), trained_on(), "runs/a"));
  Manifest unnamed = trained_on();
  unnamed.edge_features.names.clear();  // a table without a header
  EXPECT_NO_THROW(check_dataset_agrees(state_of(trained_on()), unnamed, "runs/a"));
}

TEST(DatasetAgreement, OtherAttributesAreRefused) {
  expect_refused([](Manifest& m) { m.feature_width = 6; }, "7 features a node, the dataset has 6");
  expect_refused(
      [](Manifest& m) {
        m.edge_features = {3, {}, {}};
      },
      "2 features an edge, the dataset has 3");
  expect_refused([](Manifest& m) { m.edge_features = {}; },
                 "2 features an edge, the dataset has 0");
  expect_refused(
      [](Manifest& m) {
        m.edge_features.names = {"age", "weight"};
      },
      "edge features weight, age, the dataset has age, weight");
  expect_refused([](Manifest& m) { m.edge_types.names.pop_back(); },
                 "edge types (2) are not those the model was trained on (3)");
  expect_refused([](Manifest& m) { std::swap(m.edge_types.names[0], m.edge_types.names[1]); },
                 "edge types");
}

TEST(DatasetAgreement, OlderCheckpointsHaveNoEdgeAttributes) {
  nlohmann::ordered_json state = state_of(trained_on());
  for (const char* key : {"edge_feature_width", "edge_feature_names", "edge_types"})
    state["dataset"].erase(key);
  EXPECT_THROW(check_dataset_agrees(state, trained_on(), "runs/a"), Error);
  Manifest plain = trained_on();
  plain.edge_features = {};
  plain.edge_types = {};
  EXPECT_NO_THROW(check_dataset_agrees(state, plain, "runs/a"));
}

}  // namespace
}  // namespace regatta
