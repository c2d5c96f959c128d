// Entry of libregatta_cuda.so: joins the CUDA kernels, NCCL and LibTorch's CUDA backend.
#include "comm/nccl_communicator.h"
#include "core/cuda_library.h"
#include "core/device_graph.h"
#include "core/error.h"
#include "kernels/cuda/cuda_kernels.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>

namespace regatta {
namespace {

int device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();  // clears it: no driver is no fault here
    return 0;
  }
  return count;
}

void check_device(int device) {
  const int count = device_count();
  if (device < 0 || device >= count) {
    fail(ExitCode::kDevice,
         "GPU {} was asked for, {} visible (numbered from 0). See nvidia-smi and "
         "CUDA_VISIBLE_DEVICES.",
         device,
         count == 1 ? "1 is" : fmt::format("{} are", count));
  }
}

cudaDeviceProp properties_of(int device) {
  check_device(device);
  cudaDeviceProp properties = {};
  const cudaError_t status = cudaGetDeviceProperties(&properties, device);
  if (status != cudaSuccess) {
    fail(ExitCode::kDevice,
         "GPU {}: its properties cannot be read: {}",
         device,
         cudaGetErrorString(status));
  }
  return properties;
}

std::string device_identity(int device) {
  std::string text;
  for (const char byte : properties_of(device).uuid.bytes)
    text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

std::string device_description(int device) {
  const cudaDeviceProp properties = properties_of(device);
  return fmt::format("{}, {:.1f} GiB, compute capability {}.{}",
                     properties.name,
                     static_cast<double>(properties.totalGlobalMem) / (1 << 30),
                     properties.major,
                     properties.minor);
}

void select_device(int device) {
  check_device(device);
  try {
    c10::cuda::set_device(static_cast<c10::DeviceIndex>(device));
  } catch (const c10::Error& error) {
    fail(ExitCode::kDevice, "GPU {} cannot be used: {}", device, error.what_without_backtrace());
  }
}

void use_compute_stream(int device) {
  check_device(device);
  // One for the life of the process: memory that LibTorch's allocator keeps belongs to a stream.
  static std::map<int, c10::cuda::CUDAStream> streams;
  auto found = streams.find(device);
  if (found == streams.end()) {
    const auto index = static_cast<c10::DeviceIndex>(device);
    found = streams.emplace(device, c10::cuda::getStreamFromPool(/*isHighPriority=*/false, index))
                .first;
  }
  c10::cuda::setCurrentCUDAStream(found->second);
}

class CudaGraph final : public DeviceGraph {
 public:
  // Thread-local: what other threads of the process ask of CUDA is none of the recording's
  // business.
  void begin() override {
    device_ = c10::cuda::current_device();
    graph_.capture_begin(pool_, cudaStreamCaptureModeThreadLocal);
  }
  void end() override {
    try {
      graph_.capture_end();
    } catch (...) {
      stop_allocating();
      throw;
    }
  }
  void replay() override { graph_.replay(); }

 private:
  /// A capture that fails may leave LibTorch's allocator waiting for its end, which would put off
  /// all reuse of memory across streams.
  void stop_allocating() const {
    try {
      c10::cuda::CUDACachingAllocator::endAllocateToPool(device_, pool_);
    } catch (const c10::Error&) {
      // It had stopped.
    }
  }

  c10::MempoolId_t pool_ = at::cuda::graph_pool_handle();
  c10::DeviceIndex device_ = 0;
  at::cuda::CUDAGraph graph_;
};

DeviceGraph* make_graph() {
  return new CudaGraph;
}

cudaStream_t current_stream() {
  return c10::cuda::getCurrentCUDAStream().stream();
}

const KernelTable* kernels() {
  set_kernel_stream_source(current_stream);
  return &cuda_kernels();
}

Communicator* nccl_communicator(Communicator& mpi, int device) {
  return make_nccl_communicator(mpi, {device, current_stream}).release();
}

std::string versions() {
  int runtime = 0;
  const bool known = cudaRuntimeGetVersion(&runtime) == cudaSuccess;
  return fmt::format(
      "CUDA {}, NCCL {}",
      known ? fmt::format("{}.{}", runtime / 1000, runtime % 1000 / 10) : std::string("unknown"),
      nccl_version());
}

std::int64_t take_peak_bytes(int device) {
  check_device(device);
  const auto index = static_cast<c10::DeviceIndex>(device);
  namespace allocator = c10::cuda::CUDACachingAllocator;
  constexpr auto kAll = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  const std::int64_t peak = allocator::getDeviceStats(index).allocated_bytes[kAll].peak;
  allocator::resetPeakStats(index);
  return peak;
}

}  // namespace
}  // namespace regatta

extern "C" const regatta::CudaPlugin* regatta_cuda_plugin() {
  static const regatta::CudaPlugin plugin = {regatta::device_count,
                                             regatta::device_description,
                                             regatta::device_identity,
                                             regatta::select_device,
                                             regatta::use_compute_stream,
                                             regatta::make_graph,
                                             regatta::kernels,
                                             regatta::nccl_communicator,
                                             regatta::versions,
                                             regatta::take_peak_bytes};
  return &plugin;
}
