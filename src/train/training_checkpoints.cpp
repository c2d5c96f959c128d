#include "train/training_checkpoints.h"

#include "core/error.h"
#include "core/log.h"
#include "train/model_checkpoint.h"

#include <ATen/ATen.h>

#include <span>
#include <utility>

namespace regatta {
namespace {

NamedTensors copies_of(const NamedTensors& tensors) {
  NamedTensors copies;
  for (const auto& [name, tensor] : tensors)
    copies.emplace_back(name, tensor.detach().to(at::kCPU, /*non_blocking=*/false, /*copy=*/true));
  return copies;
}

/// Rank 0's words on every rank.
std::string text_of_rank_zero(std::string text, Communicator& world) {
  auto bytes = static_cast<std::int64_t>(text.size());
  world.broadcast(&bytes, sizeof(bytes), 0);
  text.resize(static_cast<std::size_t>(bytes));
  world.broadcast(text.data(), bytes, 0);
  return text;
}

}  // namespace

TrainingCheckpoints::TrainingCheckpoints(std::string run_folder,
                                         nlohmann::ordered_json description,
                                         const TrainOptions& options,
                                         Communicator& world)
    : folder_(std::move(run_folder)),
      description_(std::move(description)),
      options_(options),
      world_(world) {}

std::optional<Checkpoint> TrainingCheckpoints::open(bool resume) {
  std::optional<LatestCheckpoint> latest;
  std::string from;
  // Rank 0 chooses: a file system may show other ranks an older folder.
  if (resume && world_.rank() == 0) {
    latest = read_latest_checkpoint(folder_);
    from = latest ? latest->from.folder : "";
  }
  from = text_of_rank_zero(from, world_);
  if (world_.rank() == 0)
    writer_ = std::make_unique<CheckpointWriter>(
        folder_,
        from,
        CheckpointPolicy{options_.checkpoint_keep, options_.on_checkpoint_error == "stop"});
  since_last_.restart();
  if (from.empty())
    return std::nullopt;
  Checkpoint checkpoint = latest ? std::move(latest->checkpoint) : read_resumable(from);
  check_resumable(checkpoint.state, description_, from);
  log::info("goes on from {}", from);
  return checkpoint;
}

bool TrainingCheckpoints::due_by_time() const {
  return world_.rank() == 0 && options_.checkpoint_minutes > 0 &&
         since_last_.seconds() >= 60 * options_.checkpoint_minutes;
}

bool TrainingCheckpoints::due_by_steps(const TrainingState& state) const {
  return options_.checkpoint_steps > 0 && state.step % options_.checkpoint_steps == 0;
}

void TrainingCheckpoints::save(const TrainingState& state,
                               const NamedTensors& model,
                               const Optimiser& optimiser,
                               const NamedTensors& best) {
  check_ranks_agree(tensors_digest(model), world_);
  since_last_.restart();
  if (writer_ == nullptr)
    return;
  Checkpoint checkpoint{model, copies_of(optimiser.state()), best, description_};
  checkpoint.state["training"] = training_state_to_json(state);
  std::optional<Checkpoint> for_readers;
  if (const std::string digest = tensors_digest(best); !best.empty() && digest != best_digest_) {
    for_readers = Checkpoint{best, {}, {}, checkpoint.state};
    best_digest_ = digest;
  }
  writer_->submit(state.step, std::move(checkpoint), std::move(for_readers));
}

void TrainingCheckpoints::wait() {
  if (writer_)
    writer_->wait();
  world_.barrier();
}

}  // namespace regatta
