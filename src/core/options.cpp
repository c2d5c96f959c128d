// Declaring options and describing them; options_apply.cpp fills them.
#include "core/options.h"

#include "core/error.h"
#include "core/option_values.h"
#include "core/options_entry.h"

#include <fmt/format.h>

namespace regatta {
namespace {

/// Compact JSON is valid YAML flow syntax, so a printed default can be pasted into a file.
std::string as_yaml(const nlohmann::ordered_json& json) {
  if (json.is_string()) {
    const auto text = json.get<std::string>();
    const bool plain = !text.empty() && text.find_first_not_of(
                                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"
                                            "KLMNOPQRSTUVWXYZ0123456789_./-") == std::string::npos;
    return plain ? text : json.dump();
  }
  if (json.is_number_float())
    return fmt::format("{}", json.get<double>());
  std::string text = json.dump();
  std::string spaced;
  for (const char c : text) {
    spaced += c;
    if (c == ',' || c == ':')
      spaced += ' ';
  }
  return json.is_structured() ? spaced : text;
}

}  // namespace

namespace detail {

/// Binds `target` to a parser that returns nothing and explains itself for an illegal node.
template <class T, class Parser>
auto scalar_reader(T& target, Parser parse) {
  return [&target, parse](const ConfigNode& node, const std::string& path, ConfigFaults& faults) {
    std::string problem;
    if (auto value = parse(node, problem)) {
      target = std::move(*value);
    } else {
      faults.add(node.place(), path, problem);
    }
  };
}

template <class T, class Parser>
auto list_reader(std::vector<T>& target, Parser parse) {
  return [&target, parse](const ConfigNode& node, const std::string& path, ConfigFaults& faults) {
    if (node.kind != ConfigNode::Kind::kSequence) {
      faults.add(node.place(), path, fmt::format("expected a list, found {}", found_text(node)));
      return;
    }
    std::vector<T> values;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      std::string problem;
      if (auto value = parse(node.items[i], problem)) {
        values.push_back(std::move(*value));
      } else {
        faults.add(node.items[i].place(), fmt::format("{}[{}]", path, i), problem);
      }
    }
    if (values.size() == node.items.size())
      target = std::move(values);
  };
}

}  // namespace detail

struct OptionGroup::Leaf {
  std::string name;
  std::string help;
  std::string type;
  std::string range;
};

template <class T, class Read>
OptionGroup& OptionGroup::add_leaf(Leaf leaf, T& target, Read read) {
  auto entry = std::make_shared<Entry>();
  entry->name = std::move(leaf.name);
  entry->help = std::move(leaf.help);
  entry->type = std::move(leaf.type);
  entry->range = std::move(leaf.range);
  entry->read = std::move(read);
  entry->value = [&target] { return nlohmann::ordered_json(target); };
  entry->fallback = as_yaml(entry->value());
  return add_entry(std::move(entry));
}

OptionGroup& OptionGroup::add_entry(std::shared_ptr<Entry> entry) {
  for (const auto& other : entries_) {
    REGATTA_CHECK(other->name != entry->name, "option '{}' is declared twice", entry->name);
  }
  entries_.push_back(std::move(entry));
  return *this;
}

OptionGroup& OptionGroup::flag(std::string name, bool& target, std::string help) {
  return add_leaf({std::move(name), std::move(help), "true|false", ""},
                  target,
                  detail::scalar_reader(target, parse_flag));
}

OptionGroup& OptionGroup::integer(std::string name,
                                  std::int64_t& target,
                                  IntegerRange range,
                                  std::string help) {
  const auto parse = [range](const ConfigNode& node, std::string& problem) {
    return parse_integer(node, range, problem);
  };
  return add_leaf({std::move(name), std::move(help), "integer", range_text(range)},
                  target,
                  detail::scalar_reader(target, parse));
}

OptionGroup& OptionGroup::number(std::string name,
                                 double& target,
                                 RealRange range,
                                 std::string help) {
  const auto parse = [range](const ConfigNode& node, std::string& problem) {
    return parse_number(node, range, problem);
  };
  return add_leaf({std::move(name), std::move(help), "number", range_text(range)},
                  target,
                  detail::scalar_reader(target, parse));
}

OptionGroup& OptionGroup::text(std::string name, std::string& target, std::string help) {
  return add_leaf({std::move(name), std::move(help), "text", ""},
                  target,
                  detail::scalar_reader(target, parse_text));
}

OptionGroup& OptionGroup::choice(std::string name,
                                 std::string& target,
                                 std::vector<std::string> allowed,
                                 std::string help) {
  std::string type = fmt::format("one of {}", fmt::join(allowed, "|"));
  const auto parse = [allowed = std::move(allowed)](const ConfigNode& node, std::string& problem) {
    return parse_choice(node, allowed, problem);
  };
  return add_leaf({std::move(name), std::move(help), std::move(type), ""},
                  target,
                  detail::scalar_reader(target, parse));
}

OptionGroup& OptionGroup::numbers(std::string name,
                                  std::vector<double>& target,
                                  RealRange range,
                                  std::string help) {
  const auto parse = [range](const ConfigNode& node, std::string& problem) {
    return parse_number(node, range, problem);
  };
  return add_leaf({std::move(name), std::move(help), "list of numbers", range_text(range)},
                  target,
                  detail::list_reader(target, parse));
}

OptionGroup& OptionGroup::integers(std::string name,
                                   std::vector<std::int64_t>& target,
                                   IntegerRange range,
                                   std::string help) {
  const auto parse = [range](const ConfigNode& node, std::string& problem) {
    return parse_integer(node, range, problem);
  };
  return add_leaf({std::move(name), std::move(help), "list of integers", range_text(range)},
                  target,
                  detail::list_reader(target, parse));
}

OptionGroup& OptionGroup::texts(std::string name,
                                std::vector<std::string>& target,
                                std::string help) {
  return add_leaf({std::move(name), std::move(help), "list of texts", ""},
                  target,
                  detail::list_reader(target, parse_text));
}

OptionGroup& OptionGroup::required() {
  REGATTA_CHECK(!entries_.empty(), "required() comes after the option it marks");
  return set_presence(entries_.back()->name, Presence::kRequired);
}

OptionGroup& OptionGroup::set_presence(const std::string& name, Presence presence) {
  for (const auto& entry : entries_) {
    if (entry->name != name)
      continue;
    entry->presence = presence;
    return *this;
  }
  detail::check_failed("option is declared", __FILE__, __LINE__, name);
}

OptionGroup& OptionGroup::word_for_defaults(std::string word) {
  word_for_defaults_ = std::move(word);
  return *this;
}

OptionGroup& OptionGroup::add_section(std::string name, OptionGroup child, std::string help) {
  auto entry = std::make_shared<Entry>();
  entry->name = std::move(name);
  entry->help = std::move(help);
  const std::string& word = child.word_for_defaults_;
  entry->type = word.empty() ? "section" : fmt::format("'{}' or a section", word);
  entry->section = std::move(child);
  return add_entry(std::move(entry));
}

OptionGroup& OptionGroup::add_list(std::string name, ListBinding binding, std::string help) {
  auto entry = std::make_shared<Entry>();
  entry->name = std::move(name);
  entry->help = std::move(help);
  entry->type = "list of sections";
  entry->value = [binding] {
    auto items = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < binding.size(); ++i) items.push_back(binding.item(i).values());
    return items;
  };
  entry->fallback = as_yaml(entry->value());
  entry->list = std::move(binding);
  return add_entry(std::move(entry));
}

std::vector<OptionDescription> OptionGroup::describe() const {
  std::vector<OptionDescription> rows;
  const auto append = [&rows](const OptionGroup& group, const std::string& prefix) {
    for (OptionDescription row : group.describe()) {
      row.path = prefix + "." + row.path;
      rows.push_back(std::move(row));
    }
  };
  for (const auto& entry : entries_) {
    const bool required = entry->presence == Presence::kRequired;
    const std::string fallback = required ? "" : entry->fallback;
    rows.push_back({entry->name, entry->type, entry->range, fallback, entry->help});
    if (entry->section)
      append(*entry->section, entry->name);
    if (entry->list)
      append(entry->list->prototype(), entry->name + "[]");
  }
  return rows;
}

nlohmann::ordered_json OptionGroup::values() const {
  auto json = nlohmann::ordered_json::object();
  for (const auto& entry : entries_) {
    json[entry->name] = entry->section ? entry->section->values() : entry->value();
  }
  return json;
}

}  // namespace regatta
