#include "train/cora_job.h"

#include "preprocess/pipeline.h"

#include <filesystem>
#include <unistd.h>

namespace regatta::testing {

SharedFolder::SharedFolder(const std::string& name, Communicator& world) : world_(world) {
  std::int64_t process = getpid();
  world.broadcast(&process, sizeof(process), 0);
  path_ = std::filesystem::temp_directory_path() / (name + "." + std::to_string(process));
  if (world.rank() == 0)
    std::filesystem::remove_all(path_);
  world.barrier();
}

SharedFolder::~SharedFolder() {
  world_.barrier();
  std::error_code ignored;
  if (world_.rank() == 0)
    std::filesystem::remove_all(path_, ignored);
}

void make_cora(const std::string& folder,
               std::int64_t chunks,
               Communicator& world,
               const std::string& order) {
  const std::string data = std::string(REGATTA_SOURCE_DIR) + "/data/cora/";
  PreprocessOptions options;
  options.edges.path = data + "edges.csv.gz";
  options.nodes.path = data + "nodes.svmlight.gz";
  options.nodes.num_features = 1433;
  options.splits.path = data + "split.csv.gz";
  options.features.normalise = "row_l1";
  options.order = order;
  options.partition.chunks = chunks;
  options.halo.hops = 2;
  preprocess_dataset(options, folder, world);
}

TrainJob cora_job(std::int64_t epochs) {
  LayerOptions hidden;
  hidden.heads = 8;
  hidden.width = 8;
  hidden.activation = "elu";
  hidden.input_dropout = hidden.attention_dropout = hidden.message_dropout = 0.6;
  LayerOptions last = hidden;
  last.heads = 1;
  last.width = 0;
  last.combine = "mean";
  last.activation = "none";
  TrainJob job;
  job.model.layers = {hidden, last};
  job.train.epochs = epochs;
  job.train.optimiser.weight_decay = 5e-4;
  job.train.patience = 0;
  job.runtime.device = "cpu";
  job.runtime.threads = 1;
  return job;
}

}  // namespace regatta::testing
