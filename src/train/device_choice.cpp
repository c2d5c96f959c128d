#include "train/device_choice.h"

#include "core/error.h"

#include <map>

namespace regatta {
namespace {

struct Taken {
  int device = 0;
  bool shared = false;
};

/// First of `mine` that is in nobody's hands, else the one that the fewest hold.
Taken take(const std::vector<std::string>& mine, std::map<std::string, int>& holders) {
  Taken taken;
  int fewest = holders[mine[0]];
  for (std::size_t d = 1; d < mine.size(); ++d) {
    if (holders[mine[d]] < fewest) {
      fewest = holders[mine[d]];
      taken.device = static_cast<int>(d);
    }
  }
  taken.shared = fewest > 0;
  ++holders[mine[static_cast<std::size_t>(taken.device)]];
  return taken;
}

}  // namespace

DeviceChoice choose_device(const std::vector<RankDevices>& ranks,
                           int rank,
                           const std::string& backend) {
  std::map<std::string, std::map<std::string, int>> holders;  // by host, by GPU
  DeviceChoice choice;
  bool any_shared = false;
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    if (ranks[r].devices.empty()) {
      fail(ExitCode::kDevice,
           "rank {} on {} sees no GPU: the driver is missing, or the launcher left this rank none "
           "(srun --gpu-bind=none); use runtime.device: cpu for a job without GPUs",
           r,
           ranks[r].host);
    }
    const Taken taken = take(ranks[r].devices, holders[ranks[r].host]);
    if (taken.shared && backend == "nccl") {
      fail(ExitCode::kDevice,
           "rank {} on {} would share a GPU with another rank ({} visible to it); NCCL needs one "
           "GPU a rank: start fewer ranks or use runtime.backend: mpi",
           r,
           ranks[r].host,
           ranks[r].devices.size());
    }
    any_shared = any_shared || taken.shared;
    if (static_cast<int>(r) == rank)
      choice.device = taken.device;
  }
  choice.nccl = backend == "nccl" || (backend == "auto" && ranks.size() > 1 && !any_shared);
  return choice;
}

}  // namespace regatta
