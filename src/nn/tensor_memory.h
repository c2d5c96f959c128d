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

/// As torch::empty. Throws Error(kDevice) naming tensor, shape and size where neither the host nor
/// the device has memory for it; in_layer() adds the layer.
at::Tensor empty_tensor(std::string_view name,
                        at::IntArrayRef shape,
                        const at::TensorOptions& options);

/// The same around an allocation of another kind; for tests too.
at::Tensor allocate_tensor(std::string_view name,
                           at::IntArrayRef shape,
                           const at::TensorOptions& options,
                           const std::function<at::Tensor()>& allocate);

/// Runs `body`, whose tensors belong to a layer, which an Error for want of memory then names. Not
/// to be nested.
void in_layer(std::int64_t layer, const std::function<void()>& body);

/// Error(kDevice) with a remedy where `error` is LibTorch's for want of device memory, else
/// nothing.
std::optional<Error> device_memory_error(const std::exception& error);

}  // namespace regatta
