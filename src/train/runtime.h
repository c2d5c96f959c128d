// Device, threads, kernels and gradient backend of this process, chosen once from RuntimeOptions.
#pragma once

#include "comm/communicator.h"
#include "nn/batch.h"
#include "train/copy_stream.h"
#include "train/train_options.h"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <string>

namespace regatta {

struct Runtime {
  BatchPlacement placement;
  int threads = 1;
  std::string device_name;             ///< "cpu" or the GPU's description
  std::shared_ptr<CopyStream> copies;  ///< null on the CPU
  std::unique_ptr<Communicator> nccl;  ///< null unless the backend is nccl
  /// Sums gradients; `world` unless the backend is nccl.
  Communicator* gradients = nullptr;
};

/// Applies the thread count to LibTorch and the kernels. Throws Error(kDevice) for `device: cuda`
/// without a GPU or without libregatta_cuda.so, and for more ranks on a node than GPUs under nccl;
/// never falls back silently.
Runtime make_runtime(const RuntimeOptions& options, Communicator& world);

/// Versions of every library in use, for summary.json and --version.
nlohmann::ordered_json library_versions();

}  // namespace regatta
