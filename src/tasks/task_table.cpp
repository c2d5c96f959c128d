// The table of tasks: a new task is one file and one row here.
#include <fmt/ranges.h>

#include <array>

#include "core/error.h"
#include "tasks/task.h"

namespace regatta {
namespace {

struct Row {
  const char* name;
  std::unique_ptr<Task> (*make)(const TaskOptions&, const Manifest&);
};

constexpr std::array<Row, 1> kTasks = {{
    {"node_classification", &make_node_classification},
}};

}  // namespace

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const Row& row : kTasks) names.emplace_back(row.name);
  return names;
}

std::unique_ptr<Task> make_task(const TaskOptions& options, const Manifest& manifest) {
  for (const Row& row : kTasks) {
    if (options.kind == row.name)
      return row.make(options, manifest);
  }
  fail(ExitCode::kUsage,
       "task.kind: unknown task '{}'; known: {}",
       options.kind,
       fmt::join(task_names(), ", "));
}

}  // namespace regatta
