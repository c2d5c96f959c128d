#include "nn/attention_mechanism.h"

#include "nn/initial_weights.h"

#include <torch/nn/module.h>
#include <torch/types.h>

namespace regatta {
namespace {

at::Tensor draw(const MechanismShape& shape,
                const std::string& name,
                const std::vector<std::int64_t>& sizes) {
  return glorot_uniform(sizes, sizes[0], sizes[1], {shape.seed, name, shape.dtype});
}

}  // namespace

at::Tensor register_projection(AttentionMechanism& mechanism,
                               const MechanismShape& shape,
                               const char* name) {
  torch::nn::Module& owner =
      shape.projection_owner == nullptr ? mechanism : *shape.projection_owner;
  return owner.register_parameter(
      name,
      draw(shape, shape.projection_name + "." + name, {shape.input, shape.heads * shape.width}));
}

at::Tensor register_attention_vector(AttentionMechanism& mechanism,
                                     const MechanismShape& shape,
                                     const char* name) {
  return mechanism.register_parameter(
      name, draw(shape, shape.name + "." + name, {shape.heads, shape.width}));
}

at::Tensor register_edge_weight(AttentionMechanism& mechanism,
                                const MechanismShape& shape,
                                const char* name,
                                std::int64_t columns) {
  if (shape.edge_features == 0)
    return {};
  return mechanism.register_parameter(
      name, draw(shape, shape.name + "." + name, {shape.edge_features, columns}));
}

}  // namespace regatta
