#include "tasks/task_options.h"

#include "tasks/task.h"

namespace regatta {

void TaskOptions::declare(OptionGroup& group) {
  group.choice("kind", kind, task_names(), "what is learned");
  group.text("target", target, "name of the target in the dataset");
  group.integer("split_index", split_index, {.min = 0}, "which of the dataset's splittings to use");
  group.choice("class_weights",
               class_weights,
               {"none", "balanced", "given"},
               "weight of a class in the loss; balanced = count / (classes * count of the class)");
  group.numbers("weights", weights, {.min = 0}, "one weight per class, for class_weights: given");
}

}  // namespace regatta
