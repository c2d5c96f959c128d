// Between a model in memory and the tensors of a checkpoint.
#pragma once

#include "checkpoint/checkpoint.h"
#include "comm/communicator.h"
#include "data/graph_chunk.h"
#include "data/manifest.h"
#include "nn/model_shape.h"
#include "tasks/task.h"
#include "train/train_options.h"

#include <memory>
#include <string>

namespace regatta {

class Model;

/// What a model over this dataset is made for; `dtype` is the storage type.
ModelShape model_shape(const Manifest& manifest,
                       std::int64_t outputs,
                       std::uint64_t seed,
                       at::ScalarType dtype);

/// Copies of all parameters on the CPU, in the model's order.
NamedTensors model_checkpoint_tensors(const Model& model);

/// Copies `tensors` into the parameters of the same names. Throws Error(kData) naming `where` and
/// each name that is missing, surplus or of another shape.
void load_model_tensors(Model& model, const NamedTensors& tensors, const std::string& where);

/// Collective: Error(kInternal) on every rank when the ranks' digests differ, i.e. their replicas
/// have drifted apart.
void check_ranks_agree(const std::string& digest, Communicator& world);

/// Targets of `split` in a chunk, by the manifest.
std::int64_t count_of_split(const ManifestChunk& chunk, const std::string& target, Split split);

/// `folder` itself, or its checkpoints/best where it is a run's folder.
std::string checkpoint_folder(const std::string& folder);

/// state.json of a verified checkpoint. Throws as read_checkpoint.
nlohmann::ordered_json read_checkpoint_state(const std::string& folder);

/// A checkpoint opened for use on a dataset.
struct LoadedModel {
  TrainJob job;
  std::vector<std::string> classes;
  std::shared_ptr<Model> model;
};

/// Reads the checkpoint FOLDER, checks that features and classes agree with `manifest`, and builds
/// the model on `placement`. Throws Error(kData).
LoadedModel load_model(const std::string& folder,
                       const Manifest& manifest,
                       const BatchPlacement& placement);

}  // namespace regatta
