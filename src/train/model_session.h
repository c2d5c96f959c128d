// A trained model together with the dataset it is applied to: what `evaluate` and `predict` share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "tasks/task.h"
#include "train/batch_store.h"
#include "train/evaluator.h"
#include "train/model_checkpoint.h"
#include "train/runtime.h"

namespace regatta {

enum class ModelUse { kEvaluate, kPredict };

struct ModelSessionArguments {
  std::string checkpoint;  ///< checkpoint folder or run folder
  std::string dataset;
  std::vector<std::string> overrides;  ///< "runtime.threads=2" over the stored configuration
};

/// Opens both and checks that they fit. Precision and device come from the stored configuration
/// unless overridden; a task is made for kEvaluate only, since data to predict on needs no labels.
struct ModelSession {
  ModelSession(const ModelSessionArguments& arguments, ModelUse use, Communicator& world);

  std::shared_ptr<const Dataset> dataset;
  Runtime runtime;
  LoadedModel loaded;
  std::unique_ptr<Task> task;
  std::unique_ptr<BatchStore> store;
};

}  // namespace regatta
