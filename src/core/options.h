// Typed options, declared next to what they configure. One declaration gives the check of a
// configuration, `--help`, docs/config.md and the effective configuration stored with results.
//
//   struct ScheduleOptions {
//     std::string kind = "constant";
//     double warmup = 0;
//     void declare(OptionGroup& group) {
//       group.choice("kind", kind, {"constant", "cosine"}, "how the learning rate changes");
//       group.number("warmup", warmup, {.min = 0}, "epochs of linear warm-up");
//     }
//   };
//
// The value a member has when declare() runs is the option's default.
#pragma once

#include "core/config_node.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace regatta {

class OptionGroup;
class ConfigFaults;

/// Closed range, or open at an end: `min_exclusive` makes min itself illegal.
struct RealRange {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool min_exclusive = false;
  bool max_exclusive = false;
};
struct IntegerRange {
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};

/// What the absence of an option means. An absent kOptional section is fine even where options
/// inside it are required; an absent kDefault section is checked for those.
enum class Presence { kDefault, kRequired, kOptional };

template <class T>
concept DeclaresOptions = requires(T value, OptionGroup& group) {
  value.declare(group);
};

/// One row of the reference: what --help and docs/config.md print.
struct OptionDescription {
  std::string path;   ///< "train.optimiser.learning_rate"; list items as "model.layers[].heads"
  std::string type;   ///< "integer", "number", "true|false", "text", "one of a|b", "list of ...",
                      ///< "section" (a row of its own before the rows of its options)
  std::string range;  ///< "[0, 1)"; empty when every value of the type is legal
  std::string fallback;  ///< the default as YAML; empty when the option is required
  std::string help;
};

/// A named set of options bound to the members of a struct. The struct must outlive the group.
class OptionGroup {
 public:
  OptionGroup& flag(std::string name, bool& target, std::string help);
  OptionGroup& integer(std::string name,
                       std::int64_t& target,
                       IntegerRange range,
                       std::string help);
  OptionGroup& number(std::string name, double& target, RealRange range, std::string help);
  OptionGroup& text(std::string name, std::string& target, std::string help);
  OptionGroup& choice(std::string name,
                      std::string& target,
                      std::vector<std::string> allowed,
                      std::string help);
  OptionGroup& numbers(std::string name,
                       std::vector<double>& target,
                       RealRange range,
                       std::string help);
  OptionGroup& integers(std::string name,
                        std::vector<std::int64_t>& target,
                        IntegerRange range,
                        std::string help);
  OptionGroup& texts(std::string name, std::vector<std::string>& target, std::string help);

  /// Marks the option declared last as required: its absence is an error.
  OptionGroup& required();

  /// Lets the plain word `word` stand for this whole section at its defaults: `step: full`.
  OptionGroup& word_for_defaults(std::string word);

  /// Marks the section or option `name` of this group, whatever its declaration says.
  OptionGroup& set_presence(const std::string& name, Presence presence);

  template <DeclaresOptions T>
  OptionGroup& section(std::string name, T& target, std::string help) {
    OptionGroup child;
    target.declare(child);
    return add_section(std::move(name), std::move(child), std::move(help));
  }
  /// A YAML sequence of maps, each filling one T. An absent key leaves `target` as it is.
  template <DeclaresOptions T>
  OptionGroup& list(std::string name, std::vector<T>& target, std::string help) {
    ListBinding binding;
    binding.resize = [&target](std::size_t n) { target.assign(n, T{}); };
    binding.size = [&target] { return target.size(); };
    binding.item = [&target](std::size_t i) {
      OptionGroup child;
      target[i].declare(child);
      return child;
    };
    auto prototype = std::make_shared<T>();
    binding.prototype = [prototype] {
      OptionGroup child;
      prototype->declare(child);
      return child;
    };
    return add_list(std::move(name), std::move(binding), std::move(help));
  }

  /// Fills the bound members from `root` (a map, or null = all defaults). Collects every fault
  /// (unknown key with the nearest known one, wrong type, NaN, out of range, missing) and throws
  /// one Error(kUsage) that lists them, each with file:line:column. Members are changed only where
  /// legal.
  void apply(const ConfigNode& root);

  /// All options, depth first in the order of declaration.
  std::vector<OptionDescription> describe() const;

  /// Present values of all bound members as JSON; apply() of the same values gives them back.
  nlohmann::ordered_json values() const;

 private:
  struct ListBinding {
    std::function<void(std::size_t)> resize;
    std::function<std::size_t()> size;
    std::function<OptionGroup(std::size_t)> item;
    std::function<OptionGroup()> prototype;
  };
  struct Entry;
  struct Leaf;

  template <class T, class Read>
  OptionGroup& add_leaf(Leaf leaf, T& target, Read read);
  OptionGroup& add_entry(std::shared_ptr<Entry> entry);
  OptionGroup& add_section(std::string name, OptionGroup child, std::string help);
  OptionGroup& add_list(std::string name, ListBinding binding, std::string help);

  void apply_map(const ConfigNode& node, const std::string& path, ConfigFaults& faults);
  static void apply_entry(Entry& entry,
                          const ConfigNode& key,
                          const ConfigNode& value,
                          const std::string& path,
                          ConfigFaults& faults);
  static void apply_list(Entry& entry,
                         const ConfigNode& node,
                         const std::string& path,
                         ConfigFaults& faults);
  static void apply_absence(Entry& entry,
                            const ConfigNode& parent,
                            const std::string& path,
                            ConfigFaults& faults);

  std::vector<std::shared_ptr<Entry>> entries_;
  std::string word_for_defaults_;
};

/// The candidate closest to `word` by edit distance, or "" when none is near; for "did you mean".
std::string nearest_name(const std::string& word, const std::vector<std::string>& candidates);

/// JSON (e.g. a stored effective configuration) as a ConfigNode, so apply() can read it back.
ConfigNode config_node_from_json(const nlohmann::ordered_json& json, const std::string& origin);

}  // namespace regatta
