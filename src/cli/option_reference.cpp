#include "cli/option_reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace regatta {
namespace {

constexpr const char* kIntroduction = R"(# Configuration

One YAML file describes a job; `regatta preprocess` and `regatta train` read the same file:

```yaml
dataset: data/cora            # preprocess writes it, train reads it
output: runs/cora
preprocess:
  edges: {path: edges.csv}
  nodes: {path: features.svm}
model:
  layers:
    - {heads: 8, width: 8, activation: elu}
    - {}                      # width 0: one output a class
train:
  optimiser: {learning_rate: 0.01}
```

- Relative paths start at the current folder.
- `--set train.optimiser.learning_rate=0.01` changes one key from the command line, and
  `--set model.layers.0.heads=4` one key of the first layer; both pass the same checks as the file.
- `regatta config --check FILE` reports every fault with file, line and column, and exits with 2.
- Unknown and duplicate keys are faults. Anchors, aliases and tags are not supported.
- A value in quotes is a text. Integers are decimal without leading zeros, numbers are finite, and
  the only booleans are `true` and `false`.
- `preprocess` is needed by `regatta preprocess` alone, and `model` by `regatta train` alone.
  A key below a section that is absent takes its default.

This page is printed by `regatta config --reference`.
)";

bool is_heading(const OptionDescription& row) {
  return row.type == "section" || row.type == "list of sections";
}

/// "model.layers[]" of "model.layers[].heads"; "" of "dataset".
std::string parent_path(const std::string& path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string::npos ? "" : path.substr(0, dot);
}

std::string heading_path(const OptionDescription& row) {
  return row.type == "list of sections" ? row.path + "[]" : row.path;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// "integer >= 1", "number in [0, 1)", "auto, csv or tsv".
std::string value_text(const OptionDescription& row) {
  constexpr std::string_view kChoice = "one of ";
  if (row.type == "true|false")
    return "true or false";
  if (row.type.starts_with(kChoice)) {
    std::string names = row.type.substr(kChoice.size());
    const std::size_t last = names.rfind('|');
    if (last != std::string::npos)
      names.replace(last, 1, " or ");
    return replaced(names, "|", ", ");
  }
  if (row.range.empty())
    return row.type;
  const bool is_interval = row.range.front() == '[' || row.range.front() == '(';
  return row.type + (is_interval ? " in " : " ") + row.range;
}

std::string default_text(const OptionDescription& row) {
  if (row.fallback.empty())
    return "required";
  return row.fallback == "\"\"" ? "empty" : row.fallback;
}

std::string cell(const std::string& text) {
  return replaced(text, "|", "\\|");
}

/// The table of the options whose parent is `path`; "" when there are none.
std::string table(const std::vector<OptionDescription>& rows, const std::string& path) {
  std::string text;
  for (const OptionDescription& row : rows) {
    if (is_heading(row) || parent_path(row.path) != path)
      continue;
    const std::string fallback = default_text(row);
    const bool is_word = fallback == "required" || fallback == "empty";
    text += fmt::format("| `{}` | {} | {} | {} |\n",
                        row.path,
                        cell(value_text(row)),
                        is_word ? fallback : "`" + cell(fallback) + "`",
                        cell(row.help));
  }
  if (text.empty())
    return "";
  return "\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n" + text;
}

std::vector<OptionDescription> describe_job(JobUse use) {
  JobConfig config;
  OptionGroup group;
  config.declare(group, use);
  return group.describe();
}

bool is_read_by(const OptionDescription& row, JobUse use) {
  const bool of_preprocess = row.path.starts_with("preprocess");
  return row.path == "dataset" || of_preprocess == (use == JobUse::kPreprocess);
}

}  // namespace

std::string option_reference() {
  const std::vector<OptionDescription> rows = describe_job(JobUse::kCheck);
  std::string text = kIntroduction;
  text += "\n## Folders\n" + table(rows, "");
  for (const OptionDescription& row : rows) {
    if (!is_heading(row))
      continue;
    const std::string level = parent_path(row.path).empty() ? "##" : "###";
    const bool is_list = row.type == "list of sections";
    text += fmt::format("\n{} `{}`\n\n{}{}.\n",
                        level,
                        heading_path(row),
                        row.help,
                        is_list ? "; a list with these keys for each item" : "");
    text += table(rows, heading_path(row));
  }
  return text;
}

std::string option_help(JobUse use) {
  std::string text = "Keys of CONFIG that this command reads (and --set KEY=VALUE changes):\n";
  for (const OptionDescription& row : describe_job(use)) {
    if (!is_read_by(row, use))
      continue;
    if (is_heading(row)) {
      text += fmt::format("\n  {}: {}\n", heading_path(row), row.help);
      continue;
    }
    text += fmt::format("  {}\n      {}; {}{}. {}\n",
                        row.path,
                        value_text(row),
                        row.fallback.empty() ? "" : "default ",
                        default_text(row),
                        row.help);
  }
  return text +
         "\n'regatta config --reference' lists all keys, 'regatta config --check CONFIG' tests a "
         "file.";
}

}  // namespace regatta
