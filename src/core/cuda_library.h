// The door to libregatta_cuda.so: opened by dlopen for `device: cuda|auto` only, so that a CPU
// process neither needs a driver nor pays for libtorch_cuda.
#pragma once

#include <cstdint>
#include <string>

namespace regatta {

struct KernelTable;
class Communicator;
class DeviceGraph;

/// What libregatta_cuda.so offers; returned by its one C symbol `regatta_cuda_plugin`.
struct CudaPlugin {
  int (*device_count)();  ///< 0 without a driver; never throws
  std::string (*device_description)(int device);
  std::string (*device_identity)(int device);  ///< the same text for the same GPU in any process
  void (*select_device)(int device);  ///< makes it current for this thread and LibTorch
  /// Lets this thread compute on a stream of its own, the same one at every call: CUDA captures no
  /// work of the default stream.
  void (*use_compute_stream)(int device);
  DeviceGraph* (*make_graph)();     ///< the caller owns the result
  const KernelTable* (*kernels)();  ///< attention kernels over device pointers
  /// NCCL communicator whose id travels over `mpi`; the caller owns the result. Null in a build
  /// without NCCL.
  Communicator* (*make_nccl_communicator)(Communicator& mpi, int device);
  std::string (*versions)();  ///< "CUDA 13.0, NCCL 2.28.9"
  /// Most bytes LibTorch's tensors held on the device since the last call.
  std::int64_t (*take_peak_bytes)(int device);
};

/// Names the library file to open instead of libregatta_cuda.so beside the program (its folder,
/// then
/// ../lib). No effect after the first cuda_plugin(); "" goes back to the search.
void set_cuda_library_path(const std::string& path);

/// The plugin, opened at the first call; null when the library is absent or cannot be loaded, with
/// the reason in `*why` if given.
const CudaPlugin* cuda_plugin(std::string* why = nullptr);

}  // namespace regatta
