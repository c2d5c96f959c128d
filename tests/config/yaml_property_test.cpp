// Random text never crashes the loader, and stored values read back through YAML.
#include "config/yaml_loader.h"
#include "core/error.h"
#include "core/sample_options.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>

namespace regatta {
namespace {

using test::faults_of;
using test::SampleOptions;

/// Any text gives a tree or one Error(kUsage) that begins with the origin.
void expect_tree_or_refusal(const std::string& text) {
  try {
    load_yaml_text(text, "job.yaml");
  } catch (const Error& error) {
    RC_ASSERT(error.code() == ExitCode::kUsage);
    RC_ASSERT(std::string(error.what()).starts_with("job.yaml:"));
  }
}

RC_GTEST_PROP(LoadYamlProperty, AnyBytesGiveATreeOrARefusal, (const std::string& text)) {
  expect_tree_or_refusal(text);
}

RC_GTEST_PROP(LoadYamlProperty, AnyYamlPunctuationGivesATreeOrARefusal, ()) {
  const auto letters = rc::gen::element('a',
                                        '1',
                                        ' ',
                                        ' ',
                                        '\n',
                                        ':',
                                        '-',
                                        '[',
                                        ']',
                                        '{',
                                        '}',
                                        ',',
                                        '"',
                                        '\'',
                                        '#',
                                        '&',
                                        '*',
                                        '!',
                                        '|',
                                        '>',
                                        '?',
                                        '%',
                                        '.',
                                        '\t');
  expect_tree_or_refusal(*rc::gen::container<std::string>(letters));
}

RC_GTEST_PROP(LoadYamlProperty, AnyOverrideIsAppliedOrRefused, ()) {
  const auto letters =
      rc::gen::element('a', 'l', '0', '.', '.', '=', '[', ']', '{', '}', ':', ' ', '\n', '"');
  ConfigNode root = load_yaml_text("l: [{a: 1}]\na: {l: 2}\n", "job.yaml");
  try {
    apply_override(root, *rc::gen::container<std::string>(letters));
  } catch (const Error& error) {
    RC_ASSERT(error.code() == ExitCode::kUsage);
  }
}

RC_GTEST_PROP(LoadYamlProperty, ValuesReadBackThroughYaml, (double rate, bool bias)) {
  SampleOptions options;
  options.bias = bias;
  options.epochs = *rc::gen::inRange<std::int64_t>(1, 1001);
  options.output = *rc::gen::container<std::string>(rc::gen::inRange<char>(' ', '~'));
  options.optimiser.learning_rate = std::isfinite(rate) && rate > 0 ? rate : 0.5;
  OptionGroup group;
  options.declare(group);
  const std::string stored = group.values().dump();  // JSON is YAML
  SampleOptions again;
  RC_ASSERT(faults_of(again, load_yaml_text(stored, "stored")) == "");
  RC_ASSERT(again == options);
}

}  // namespace
}  // namespace regatta
