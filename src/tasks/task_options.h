// What is learned; the `task` section of a configuration.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/options.h"

namespace regatta {

struct TaskOptions {
  std::string kind = "node_classification";  ///< row of the task table
  std::string target = "label";              ///< name of the target in the dataset
  std::int64_t split_index = 0;              ///< which of the dataset's splittings
  std::string class_weights = "none";        ///< none | balanced | given
  std::vector<double> weights;               ///< class_weights: given; one per class
  void declare(OptionGroup& group);
};

}  // namespace regatta
