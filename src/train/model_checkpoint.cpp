#include "train/model_checkpoint.h"

#include "comm/gather_texts.h"
#include "core/error.h"
#include "nn/model.h"
#include "nn/precision.h"
#include "train/training_state.h"

#include <torch/types.h>

#include <fmt/ranges.h>

#include <filesystem>
#include <map>

namespace regatta {

ModelShape model_shape(const Manifest& manifest,
                       std::int64_t outputs,
                       std::uint64_t seed,
                       at::ScalarType dtype) {
  return {manifest.feature_width,
          outputs,
          seed,
          working_type(dtype),
          manifest.edge_features.width,
          edge_type_count(manifest)};
}

NamedTensors model_checkpoint_tensors(const Model& model) {
  NamedTensors tensors;
  for (const auto& [name, parameter] : model.named()) {
    tensors.emplace_back(name, parameter.detach().cpu().clone());
  }
  return tensors;
}

void load_model_tensors(Model& model, const NamedTensors& tensors, const std::string& where) {
  const torch::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> by_name(tensors.begin(), tensors.end());
  std::string faults;
  for (auto& [name, parameter] : model.named()) {
    const auto found = by_name.find(name);
    if (found == by_name.end()) {
      faults += fmt::format("\n  {} is missing", name);
      continue;
    }
    if (found->second.sizes() != parameter.sizes()) {
      faults += fmt::format("\n  {} has shape [{}], the model needs [{}]",
                            name,
                            fmt::join(found->second.sizes().vec(), ", "),
                            fmt::join(parameter.sizes().vec(), ", "));
    } else {
      at::Tensor target = parameter;
      target.copy_(found->second);
    }
    by_name.erase(found);
  }
  for (const auto& [name, tensor] : by_name)
    faults += fmt::format("\n  {} is not in the model", name);
  if (!faults.empty()) {
    fail(ExitCode::kData, "{}: its tensors do not fit the configured model:{}", where, faults);
  }
}

void check_ranks_agree(const std::string& digest, Communicator& world) {
  const std::vector<std::string> all = gather_texts(digest, world);
  const std::string& first = all[0];
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    const std::string& other = all[rank];
    if (other != first) {
      fail(ExitCode::kInternal,
           "the model of rank {} ({}) differs from that of rank 0 ({})",
           rank,
           other,
           first);
    }
  }
}

std::int64_t count_of_split(const ManifestChunk& chunk, const std::string& target, Split split) {
  const auto counts = chunk.class_counts.find(target);
  if (counts == chunk.class_counts.end())
    return 0;
  const auto classes = counts->second.find(split_name(split));
  if (classes == counts->second.end())
    return 0;
  std::int64_t sum = 0;
  for (const std::int64_t n : classes->second) sum += n;
  return sum;
}

std::string checkpoint_folder(const std::string& folder) {
  return std::filesystem::is_directory(folder + "/checkpoints") ? folder + "/checkpoints/best"
                                                                : folder;
}

nlohmann::ordered_json read_checkpoint_state(const std::string& folder) {
  return read_checkpoint(folder).state;
}

LoadedModel load_model(const std::string& where,
                       const Manifest& manifest,
                       const BatchPlacement& placement) {
  const Checkpoint checkpoint = read_checkpoint(where);
  check_dataset_agrees(checkpoint.state, manifest, where);
  LoadedModel loaded;
  loaded.job = job_of_checkpoint(checkpoint.state, where);
  loaded.classes = checkpoint.state.at("dataset").value("classes", std::vector<std::string>{});
  check_model_fits(loaded.job.model, manifest.chunks.size(), true);
  loaded.model = std::make_shared<Model>(
      loaded.job.model,
      model_shape(manifest, static_cast<std::int64_t>(loaded.classes.size()), 0, placement.dtype));
  load_model_tensors(*loaded.model, checkpoint.model, where);
  loaded.model->to(placement.device);
  loaded.model->eval();
  return loaded;
}

}  // namespace regatta
