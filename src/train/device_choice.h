// Which GPU a rank takes, and whether gradients may go over NCCL.
#pragma once

#include <string>
#include <vector>

namespace regatta {

/// What the ranks of a world say of themselves, by rank.
struct RankDevices {
  std::string host;
  std::vector<std::string> devices;  ///< identities of the GPUs it sees, in its order
};

struct DeviceChoice {
  int device = 0;  ///< number among those that the rank sees
  bool nccl = false;
};

/// Rank by rank, each takes the first GPU it sees that no lower rank of its host has taken; where
/// all are taken, they are shared in turn. So rank r of a node takes GPU r where every rank sees all
/// of them (mpirun, srun --gpus), and GPU 0 where a launcher left each its own
/// (srun --gpus-per-task=1); no launcher's variable is read. `backend`: auto (NCCL where no rank of
/// the world shares a GPU), mpi, nccl. A pure function, so all ranks agree on `nccl`. Throws
/// Error(kDevice) naming rank and host where a rank sees no GPU, or shares one under NCCL.
DeviceChoice choose_device(const std::vector<RankDevices>& ranks,
                           int rank,
                           const std::string& backend);

}  // namespace regatta
