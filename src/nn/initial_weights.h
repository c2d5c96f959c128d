// Initial values of parameters, keyed by seed and parameter name: equal on every rank without a
// message.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace regatta {

/// What initial values are drawn from.
struct InitialDraw {
  std::uint64_t seed = 0;
  std::string name;
  at::ScalarType dtype = at::kFloat;
};

/// Glorot and Bengio 2010, uniform: U(-b, b), b = sqrt(6 / (fan_in + fan_out)).
at::Tensor glorot_uniform(const std::vector<std::int64_t>& shape,
                          std::int64_t fan_in,
                          std::int64_t fan_out,
                          const InitialDraw& draw);

}  // namespace regatta
