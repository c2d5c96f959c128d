#include "nn/tensor_memory.h"

#include <c10/util/Exception.h>
#include <torch/types.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <numeric>
#include <string>

namespace regatta {
namespace {

/// Of a message over several lines: those after the first are LibTorch's advice on its allocator.
std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

/// What both allocators say, without a name; nothing for an error of another kind.
std::optional<std::string> want_of_memory(const std::exception& error) {
  if (const auto* device = dynamic_cast<const c10::OutOfMemoryError*>(&error)) {
    return fmt::format(
        "out of device memory: {}; use smaller chunks, fewer ranks a GPU, runtime.precision: bf16 "
        "or a smaller model",
        first_line(device->what_without_backtrace()));
  }
  const auto* host = dynamic_cast<const Error*>(&error);
  if (host != nullptr && host->code() == ExitCode::kDevice)
    return host->what();
  return std::nullopt;
}

}  // namespace

at::Tensor allocate_tensor(std::string_view name,
                           at::IntArrayRef shape,
                           const at::TensorOptions& options,
                           const std::function<at::Tensor()>& allocate) {
  try {
    return allocate();
  } catch (const std::exception& error) {
    const auto want = want_of_memory(error);
    if (!want)
      throw;
    const double values =
        std::accumulate(shape.begin(), shape.end(), 1.0, [](double product, std::int64_t extent) {
          return product * static_cast<double>(extent);
        });
    fail(ExitCode::kDevice,
         "tensor '{}' [{}] of {:.1f} MiB: {}",
         name,
         fmt::join(shape, ", "),
         values * static_cast<double>(options.dtype().itemsize()) / (1 << 20),
         *want);
  }
}

at::Tensor empty_tensor(std::string_view name,
                        at::IntArrayRef shape,
                        const at::TensorOptions& options) {
  return allocate_tensor(name, shape, options, [&] { return torch::empty(shape, options); });
}

void in_layer(std::int64_t layer, const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& error) {
    const auto want = want_of_memory(error);
    if (!want)
      throw;
    fail(ExitCode::kDevice, "model.layers.{}: {}", layer, *want);
  }
}

std::optional<Error> device_memory_error(const std::exception& error) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) == nullptr)
    return std::nullopt;
  return Error(ExitCode::kDevice, *want_of_memory(error));
}

}  // namespace regatta
