// Projections and logits of one attention kind: a row of the attention table.
#pragma once

#include "nn/attention_function.h"
#include "nn/layer_input.h"
#include "nn/model_options.h"

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace regatta {

/// Gives the tensors of one kernel call; docs/numerics.md §1 has the formulas.
class AttentionMechanism : public torch::nn::Module {
 public:
  /// Fills the kind's fields of `call` (batch, rows and dropouts come filled in) and projects
  /// `input`. `edge_x` (w) [E,Fe] are the features of the call's edges where the layer reads them,
  /// else undefined.
  virtual AttentionTensors prepare(AttentionCall& call,
                                   const LayerInput& input,
                                   const at::Tensor& edge_x) = 0;
  /// What edge features add to O beside the value, (w) [R,H,D] from edge_out [R,H,Fe]; undefined
  /// for kinds whose messages have no such part.
  virtual at::Tensor edge_messages(const at::Tensor& edge_out) { return {}; }
};

struct MechanismShape {
  std::int64_t input = 1;  ///< F
  std::int64_t heads = 1;
  std::int64_t width = 1;
  std::int64_t edge_features = 0;  ///< Fe that the layer reads, 0 = none
  std::uint64_t seed = 0;
  /// Prefixes of the names that key the initial weights.
  std::string projection_name, name;
  at::ScalarType dtype = at::kFloat;  ///< of parameters
  /// Module that the projections are registered on; null: the mechanism itself.
  torch::nn::Module* projection_owner = nullptr;
};

/// A projection [F,H*D] named `name`, drawn as Glorot and Bengio.
at::Tensor register_projection(AttentionMechanism& mechanism,
                               const MechanismShape& shape,
                               const char* name);
/// An attention vector [H,D] named `name`.
at::Tensor register_attention_vector(AttentionMechanism& mechanism,
                                     const MechanismShape& shape,
                                     const char* name);
/// The map of edge features [Fe,columns] named `name`; undefined where the layer reads none.
at::Tensor register_edge_weight(AttentionMechanism& mechanism,
                                const MechanismShape& shape,
                                const char* name,
                                std::int64_t columns);

std::shared_ptr<AttentionMechanism> make_gat_attention(const LayerOptions&, const MechanismShape&);
std::shared_ptr<AttentionMechanism> make_gatv2_attention(const LayerOptions&,
                                                         const MechanismShape&);
std::shared_ptr<AttentionMechanism> make_transformer_attention(const LayerOptions&,
                                                               const MechanismShape&);
std::shared_ptr<AttentionMechanism> make_dot_attention(const LayerOptions&, const MechanismShape&);

/// Rows of the attention table.
std::vector<std::string> attention_names();
/// Throws Error(kUsage) listing the known names.
std::shared_ptr<AttentionMechanism> make_attention(const LayerOptions&, const MechanismShape&);

}  // namespace regatta
