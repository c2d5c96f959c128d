// A configuration with every kind of option, for the tests of core/options and config.
#pragma once

#include "core/options.h"

#include <cstdint>
#include <string>
#include <vector>

namespace regatta::test {

struct SampleLayer {
  std::string kind = "gat";
  std::int64_t heads = 8;
  void declare(OptionGroup& group) {
    group.choice("kind", kind, {"gat", "dot"}, "kind of attention");
    group.integer("heads", heads, {.min = 1, .max = 64}, "number of heads");
  }
  bool operator==(const SampleLayer&) const = default;
};

struct SampleOptimiser {
  double learning_rate = 0.005;
  double momentum = 0;
  void declare(OptionGroup& group) {
    group.number("learning_rate", learning_rate, {.min = 0, .min_exclusive = true}, "step size");
    group.number("momentum", momentum, {.min = 0, .max = 1, .max_exclusive = true}, "momentum");
  }
  bool operator==(const SampleOptimiser&) const = default;
};

struct SampleOptions {
  std::int64_t epochs = 200;
  bool bias = true;
  std::string output = "run";
  std::vector<double> weights = {0.5, 2};
  std::vector<std::int64_t> fanout;
  std::vector<std::string> columns;
  std::vector<SampleLayer> layers{2};
  SampleOptimiser optimiser;
  void declare(OptionGroup& group) {
    group.integer("epochs", epochs, {.min = 1, .max = 1000}, "epochs at most");
    group.flag("bias", bias, "adds a bias");
    group.text("output", output, "folder of the run");
    group.numbers("weights", weights, {.min = 0}, "one a class");
    group.integers("fanout", fanout, {.min = -1}, "neighbours a layer");
    group.texts("columns", columns, "names of columns");
    group.list("layers", layers, "attention layers");
    group.section("optimiser", optimiser, "the optimiser");
  }
  bool operator==(const SampleOptions&) const = default;
};

/// What apply() has to say about `node`; "" when there is no fault.
template <class T>
std::string faults_of(T& options, const ConfigNode& node) {
  OptionGroup group;
  options.declare(group);
  try {
    group.apply(node);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace regatta::test
