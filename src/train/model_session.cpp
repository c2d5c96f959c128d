#include "train/model_session.h"

#include "config/yaml_loader.h"
#include "nn/model.h"
#include "train/training_state.h"

#include <nlohmann/json.hpp>

namespace regatta {
namespace {

/// The stored configuration with overrides; device and backend fall back to `auto`, since the
/// machine that applies a model need not be the one that trained it.
TrainJob job_for_use(const std::string& checkpoint, const std::vector<std::string>& overrides) {
  nlohmann::ordered_json state = read_checkpoint_state(checkpoint);
  TrainJob job = job_of_checkpoint(state, checkpoint);
  job.runtime.device = job.runtime.backend = "auto";
  job.runtime.threads = 0;
  OptionGroup stored;
  job.declare(stored);
  ConfigNode config = config_node_from_json(stored.values(), checkpoint + "/state.json");
  for (const std::string& assignment : overrides) apply_override(config, assignment);
  OptionGroup group;
  job.declare(group);
  group.apply(config);
  return job;
}

}  // namespace

ModelSession::ModelSession(const ModelSessionArguments& arguments,
                           ModelUse use,
                           Communicator& world) {
  const std::string folder = checkpoint_folder(arguments.checkpoint);
  const TrainJob job = job_for_use(folder, arguments.overrides);
  dataset = std::make_shared<const Dataset>(arguments.dataset, job.read);
  runtime = make_runtime(job.runtime, world);
  loaded = load_model(folder, dataset->manifest(), runtime.placement);
  runtime.placement.relations = loaded.model->relations();
  if (use == ModelUse::kEvaluate)
    task = make_task(job.task, dataset->manifest());
  store = std::make_unique<BatchStore>(dataset,
                                       task.get(),
                                       BatchStoreSettings{loaded.model->num_layers(),
                                                          runtime.placement,
                                                          job.runtime.chunk_cache_mib << 20,
                                                          static_cast<int>(job.runtime.prefetch),
                                                          runtime.copies});
}

}  // namespace regatta
