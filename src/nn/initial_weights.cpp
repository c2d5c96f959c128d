#include "nn/initial_weights.h"

#include "core/rng.h"

#include <torch/types.h>

#include <cmath>

namespace regatta {

at::Tensor glorot_uniform(const std::vector<std::int64_t>& shape,
                          std::int64_t fan_in,
                          std::int64_t fan_out,
                          const InitialDraw& draw) {
  const double bound = std::sqrt(6.0 / static_cast<double>(fan_in + fan_out));
  RandomStream stream(make_random_key(draw.seed, RandomPurpose::kInitialWeights, draw.name));
  at::Tensor values = torch::empty(shape, torch::kDouble);
  double* data = values.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    data[i] = bound * (2 * stream.next_double() - 1);
  }
  return values.to(draw.dtype);
}

}  // namespace regatta
