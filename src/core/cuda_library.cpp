#include "core/cuda_library.h"

#include <climits>
#include <fmt/format.h>

#include <dlfcn.h>
#include <filesystem>
#include <mutex>
#include <unistd.h>
#include <vector>

namespace regatta {
namespace {

constexpr const char* kLibraryName = "libregatta_cuda.so";
constexpr const char* kEntryPoint = "regatta_cuda_plugin";

std::mutex opening;
std::string chosen_path;

struct Opened {
  const CudaPlugin* plugin = nullptr;
  std::string problem;
};

std::vector<std::string> candidate_paths() {
  if (!chosen_path.empty())
    return {chosen_path};
  std::error_code status;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", status);
  if (status)
    return {kLibraryName};
  const auto folder = program.parent_path();
  return {(folder / kLibraryName).string(), (folder.parent_path() / "lib" / kLibraryName).string()};
}

Opened open_library(const std::string& path) {
  // RTLD_GLOBAL: LibTorch's CUDA backend registers itself for the whole process.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr)
    return {nullptr, fmt::format("{} cannot be loaded: {}", path, dlerror())};
  void* symbol = dlsym(library, kEntryPoint);
  if (symbol == nullptr)
    return {nullptr, fmt::format("{} does not export {}", path, kEntryPoint)};
  const auto entry = reinterpret_cast<const CudaPlugin* (*)()>(symbol);
  const CudaPlugin* plugin = entry();
  if (plugin == nullptr)
    return {nullptr, fmt::format("{} offers nothing", path)};
  return {plugin, ""};
}

Opened open_first() {
  const std::vector<std::string> paths = candidate_paths();
  std::error_code status;
  for (const std::string& path : paths) {
    if (std::filesystem::exists(path, status))
      return open_library(path);
  }
  return {nullptr,
          fmt::format(
              "no {} at {} (this build has no CUDA part)", kLibraryName, fmt::join(paths, " or "))};
}

}  // namespace

void set_cuda_library_path(const std::string& path) {
  const std::lock_guard lock(opening);
  chosen_path = path;
}

const CudaPlugin* cuda_plugin(std::string* why) {
  const std::lock_guard lock(opening);
  static const Opened opened = open_first();
  if (why != nullptr)
    *why = opened.problem;
  return opened.plugin;
}

}  // namespace regatta
