#include "nn/finite_trace.h"

#include <torch/types.h>

#include <fmt/ranges.h>

namespace regatta {

void FiniteTrace::see(std::int64_t layer, const std::string& name, const at::Tensor& tensor) {
  if (!fault_.empty() || !tensor.defined() || tensor.numel() == 0)
    return;
  const auto nans = torch::isnan(tensor).sum().item<std::int64_t>();
  const auto infinite = torch::isinf(tensor).sum().item<std::int64_t>();
  if (nans + infinite == 0)
    return;
  fault_ = fmt::format("{}tensor '{}' [{}] has {} NaN and {} infinite values",
                       layer < 0 ? std::string() : fmt::format("model.layers.{}: ", layer),
                       name,
                       fmt::join(tensor.sizes().vec(), ", "),
                       nans,
                       infinite);
}

}  // namespace regatta
