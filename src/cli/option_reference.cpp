#include "cli/option_reference.h"

#include <fmt/format.h>

#include <sstream>
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
  nodes: {path: nodes.svmlight}
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
- A value that nothing reads, such as `scale: none` in a layer of `attention: gat`, is a fault too,
  unless it is the key's default.
- A value in quotes is a text. Integers are decimal without leading zeros, numbers are finite, and
  the only booleans are `true` and `false`.
- `preprocess` is needed by `regatta preprocess` alone, and `model` by `regatta train` alone.
  An absent key takes its default.

This page is printed by `regatta config --reference`.
)";

/// "section", "list of sections", "'full' or a section".
bool is_heading(const OptionDescription& row) {
  return row.type.ends_with("section") || row.type == "list of sections";
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

std::string sentence(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z')
    text[0] = static_cast<char>(text[0] - 32);
  return text + ".";
}

/// `text` as lines of at most 96 characters, each indented.
std::string wrapped(const std::string& text, const std::string& indent) {
  constexpr std::size_t kColumns = 96;
  std::string lines;
  std::string line = indent;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (line.size() > indent.size() && line.size() + 1 + word.size() > kColumns) {
      lines += line + "\n";
      line = indent;
    }
    line += (line.size() > indent.size() ? " " : "") + word;
  }
  return lines + line + "\n";
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
                        is_word ? fallback : fmt::format("`{}`", cell(fallback)),
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

/// The options whose parent is `path`, two or more lines each.
std::string leaves_help(const std::vector<OptionDescription>& rows,
                        const std::string& path,
                        JobUse use) {
  std::string text;
  for (const OptionDescription& row : rows) {
    if (is_heading(row) || parent_path(row.path) != path || !is_read_by(row, use))
      continue;
    const std::string fallback = row.fallback.empty() ? "required" : "default " + default_text(row);
    text += fmt::format("  {}\n", row.path);
    text += wrapped(fmt::format("{}; {}. {}", value_text(row), fallback, row.help), "      ");
  }
  return text;
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
    std::string help = row.help;
    if (is_list)
      help += "; a list with these keys for each item";
    if (row.type != "section" && !is_list)
      help += "; the value is " + row.type + " with these keys";
    text += fmt::format("\n{} `{}`\n\n{}\n", level, heading_path(row), sentence(help));
    text += table(rows, heading_path(row));
  }
  return text;
}

std::string option_help(JobUse use) {
  const std::vector<OptionDescription> rows = describe_job(use);
  std::string text =
      "Keys of CONFIG that this command reads (and --set KEY=VALUE changes), by section:\n";
  text += leaves_help(rows, "", use);
  for (const OptionDescription& row : rows) {
    if (!is_heading(row) || !is_read_by(row, use))
      continue;
    const std::string leaves = leaves_help(rows, heading_path(row), use);
    if (!leaves.empty())
      text += fmt::format("\n{}\n{}", sentence(row.help), leaves);
  }
  return text +
         "\n'regatta config --reference' lists all keys, 'regatta config --check CONFIG' tests a "
         "file.";
}

}  // namespace regatta
