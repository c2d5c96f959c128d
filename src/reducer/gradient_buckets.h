// Gradients that travel together.
#pragma once

#include "comm/communicator.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace regatta {

/// A run of parameters (in reverse order) whose gradients travel as one array.
struct GradientBucket {
  at::Tensor flat;                      ///< [sum of numel]: int64, or the parameters' own type
  std::vector<std::size_t> parameters;  ///< indices, descending
  std::vector<at::Tensor> parts;        ///< views of `flat` shaped as the parameters
  std::size_t arrived = 0;              ///< gradients complete in this step
  std::unique_ptr<Work> work;           ///< set once the bucket has left
};

/// Closes a bucket at `bucket_bytes` of gradients and where type or device changes. The arrays lie
/// with the parameters when `on_device`, else in host memory; they are of int64 when `integers`.
std::vector<GradientBucket> make_gradient_buckets(const std::vector<at::Tensor>& parameters,
                                                  std::int64_t bucket_bytes,
                                                  bool on_device,
                                                  bool integers);

}  // namespace regatta
