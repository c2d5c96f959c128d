#include "train/runtime.h"

#include "comm/gather_texts.h"
#include "core/amx.h"
#include "core/cuda_library.h"
#include "core/error.h"
#include "core/log.h"
#include "core/parallel.h"
#include "nn/host_memory.h"
#include "train/device_choice.h"

#include <torch/types.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <sched.h>
#include <unistd.h>

namespace regatta {
namespace {

int processors_of_process() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0)
    return 1;
  return std::max(1, CPU_COUNT(&set));
}

int thread_count(const RuntimeOptions& options, const Communicator& world) {
  if (options.threads > 0)
    return static_cast<int>(options.threads);
  return std::max(1, processors_of_process() / world.local_size());
}

/// The plugin when a GPU is to be used, null for the CPU.
const CudaPlugin* wanted_gpu(const RuntimeOptions& options) {
  if (options.device == "cpu")
    return nullptr;
  std::string why;
  const CudaPlugin* plugin = cuda_plugin(&why);
  const bool usable = plugin != nullptr && plugin->device_count() > 0;
  if (options.device == "cuda" && !usable) {
    fail(ExitCode::kDevice,
         "runtime.device: cuda was asked for, but {}; use device: cpu or auto",
         plugin == nullptr
             ? why
             : std::string("no GPU is visible (driver missing, or none given to this job)"));
  }
  return usable ? plugin : nullptr;
}

/// What every rank sees; nothing where a rank has no `plugin`. Collective.
std::vector<RankDevices> devices_of_ranks(const CudaPlugin* plugin, Communicator& world) {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  nlohmann::json mine = {{"host", host.data()}, {"devices", nlohmann::json::array()}};
  for (int d = 0; plugin != nullptr && d < plugin->device_count(); ++d)
    mine["devices"].push_back(plugin->device_identity(d));
  std::vector<RankDevices> ranks;
  for (const std::string& text : gather_texts(mine.dump(), world)) {
    const auto json = nlohmann::json::parse(text);
    ranks.push_back({json["host"], json["devices"].get<std::vector<std::string>>()});
  }
  return ranks;
}

void use_gpu(Runtime& runtime,
             const CudaPlugin& plugin,
             const RuntimeOptions& options,
             const DeviceChoice& choice,
             Communicator& world) {
  const int device = choice.device;
  plugin.select_device(device);
  if (options.cuda_graph == "auto")
    plugin.use_compute_stream(device);  // before any tensor is made
  runtime.placement.device = at::Device(at::kCUDA, static_cast<at::DeviceIndex>(device));
  runtime.placement.kernels = plugin.kernels();
  runtime.device_name = plugin.device_description(device);
  runtime.copies = copy_stream_of(runtime.placement.device);
  if (!choice.nccl)
    return;
  runtime.nccl.reset(plugin.make_nccl_communicator(world, device));
  if (runtime.nccl == nullptr) {
    fail(ExitCode::kDevice, "runtime.backend: nccl is not in this build; use mpi");
  }
  runtime.gradients = runtime.nccl.get();
}

}  // namespace

Runtime make_runtime(const RuntimeOptions& options, Communicator& world) {
  Runtime runtime;
  runtime.threads = thread_count(options, world);
  runtime.device_name = "cpu";
  runtime.gradients = &world;
  keep_host_memory();
  set_compute_threads(runtime.threads);
  allow_amx(options.amx);
  at::set_num_threads(runtime.threads);
  runtime.placement.dtype = options.precision == "fp64"   ? at::kDouble
                            : options.precision == "bf16" ? at::kBFloat16
                                                          : at::kFloat;
  runtime.placement.kernels =
      options.kernels == "reference" ? &reference_kernels() : &cpu_kernels();
  const CudaPlugin* plugin = wanted_gpu(options);
  std::vector<RankDevices> ranks;
  if (options.device != "cpu")
    ranks = devices_of_ranks(plugin, world);
  const bool any_gpu = std::any_of(
      ranks.begin(), ranks.end(), [](const RankDevices& rank) { return !rank.devices.empty(); });
  if (any_gpu) {
    // Throws where one rank alone has none: never a silent mixture.
    const DeviceChoice choice = choose_device(ranks, world.rank(), options.backend);
    use_gpu(runtime, *plugin, options, choice, world);
  } else if (options.backend == "nccl") {
    fail(ExitCode::kDevice, "runtime.backend: nccl needs a GPU; use backend: mpi");
  }
  return runtime;
}

}  // namespace regatta
