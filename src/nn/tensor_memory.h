// Tensors of a layer that say which they are where there is no memory for them.
#pragma once

#include "core/error.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string_view>

namespace regatta {

/// What a tensor is for.
struct TensorName {
  std::int64_t layer = 0;
  std::string_view tensor;
};

/// As torch::empty. Throws Error(kDevice) naming layer, tensor, shape and size where neither the
/// host nor the device has memory for it.
at::Tensor empty_tensor(const TensorName& name,
                        at::IntArrayRef shape,
                        const at::TensorOptions& options);

/// The same around an allocation of another kind; for tests too.
at::Tensor allocate_tensor(const TensorName& name,
                           at::IntArrayRef shape,
                           const at::TensorOptions& options,
                           const std::function<at::Tensor()>& allocate);

/// Runs `body`, whose tensors belong to a layer: an Error for want of memory that names no layer
/// yet gets it.
void in_layer(std::int64_t layer, const std::function<void()>& body);

/// Error(kDevice) with a remedy where `error` is LibTorch's for want of device memory, else
/// nothing.
std::optional<Error> device_memory_error(const std::exception& error);

}  // namespace regatta
