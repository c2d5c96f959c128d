// Properties of options over random values: what is written out reads back equal.
#include "core/options.h"
#include "core/sample_options.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <cstring>

namespace regatta {
namespace {

using test::faults_of;
using test::SampleLayer;
using test::SampleOptions;

/// Any finite double, small and huge ones alike.
double finite_number() {
  const auto bits = *rc::gen::arbitrary<std::uint64_t>();
  double value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return std::isfinite(value) ? value : 0.25;
}

/// JSON texts are UTF-8, so random texts stay within ASCII.
std::string ascii_text() {
  return *rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127));
}

SampleOptions random_options() {
  SampleOptions options;
  options.epochs = *rc::gen::inRange<std::int64_t>(1, 1001);
  options.bias = *rc::gen::arbitrary<bool>();
  options.output = ascii_text();
  options.weights.clear();
  for (int i = *rc::gen::inRange(0, 5); i > 0; --i) {
    options.weights.push_back(std::fabs(finite_number()));
  }
  options.fanout.assign(static_cast<std::size_t>(*rc::gen::inRange(0, 3)), -1);
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i) options.columns.push_back(ascii_text());
  options.layers.clear();
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
    options.layers.push_back(
        {*rc::gen::element<std::string>("gat", "dot"), *rc::gen::inRange<std::int64_t>(1, 65)});
  }
  options.optimiser.learning_rate = std::fabs(finite_number()) + 1e-300;
  options.optimiser.momentum = *rc::gen::inRange(0, 1000) / 1000.0;
  return options;
}

RC_GTEST_PROP(OptionsProperty, ValuesReadBackEqual, ()) {
  SampleOptions options = random_options();
  OptionGroup group;
  options.declare(group);
  // Through text, as a stored configuration goes.
  const auto json = nlohmann::ordered_json::parse(group.values().dump());
  SampleOptions again;
  RC_ASSERT(faults_of(again, config_node_from_json(json, "stored")) == "");
  RC_ASSERT(again == options);
}

RC_GTEST_PROP(OptionsProperty, UnknownKeysNeverPass, ()) {
  const std::string key = ascii_text();
  SampleOptions options;
  OptionGroup group;
  options.declare(group);
  RC_PRE(!group.values().contains(key));
  nlohmann::ordered_json json;
  json[key] = 1;
  const std::string text = faults_of(options, config_node_from_json(json, "stored"));
  RC_ASSERT(text.find("unknown key") != std::string::npos);
  RC_ASSERT(text.find('\n') == std::string::npos);
}

RC_GTEST_PROP(OptionsProperty, ArbitraryScalarsNeverCrash, (const std::string& text)) {
  ConfigNode value;
  value.kind = ConfigNode::Kind::kScalar;
  value.scalar = text;
  ConfigNode key = value;
  for (const char* name : {"epochs", "bias", "weights", "layers", "optimiser", "output"}) {
    key.scalar = name;
    ConfigNode root;
    root.kind = ConfigNode::Kind::kMap;
    root.entries.emplace_back(key, value);
    SampleOptions options;
    const bool accepted = faults_of(options, root).empty();
    RC_ASSERT(accepted || options == SampleOptions{});
  }
}

}  // namespace
}  // namespace regatta
