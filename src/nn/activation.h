// Nonlinearities by name.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace regatta {

std::vector<std::string> activation_names();
/// Throws Error(kUsage) for an unknown name.
at::Tensor activate(const std::string& name, const at::Tensor& x);

}  // namespace regatta
