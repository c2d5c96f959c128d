// Attention as one autograd function over the whole kernel interface (src/kernels/attention.h).
#pragma once

#include "kernels/attention.h"

#include <ATen/core/Tensor.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace regatta {

/// Roles of the kernels' input tensors. The value's type is the storage type; (w): working type.
enum class TensorRole : std::size_t {
  kValue,             ///< [N,H,D]
  kQuery,             ///< dot [R,Hs,Ds], undefined: query = key = value; gatv2 [R,H,D]
  kKey,               ///< dot [N,Hs,Ds]
  kSourceLogit,       ///< gat (w) [N,H]
  kDestinationLogit,  ///< gat (w) [R,H]
  kAttentionVector,   ///< gatv2 (w) [H,D]
  kEdgeLogit,         ///< (w) [E,Hs]
  kEdgeX,             ///< (w) [E,Fe], a constant
  kEdgeQuery,         ///< dot (w) [R,Hs,Fe]
  kEdgeWeight,        ///< gatv2 (w) [Fe,H,D]
  kBias,              ///< (w) [H*D]
  kResidual,          ///< [R,H*D]
};
inline constexpr std::size_t kTensorRoles = 12;
const char* role_name(TensorRole role);

/// Tensors by role; what a kind does not use stays undefined.
class AttentionTensors {
 public:
  at::Tensor& operator[](TensorRole role) { return tensors_[static_cast<std::size_t>(role)]; }
  const at::Tensor& operator[](TensorRole role) const {
    return tensors_[static_cast<std::size_t>(role)];
  }
  std::array<at::Tensor, kTensorRoles>& all() { return tensors_; }
  const std::array<at::Tensor, kTensorRoles>& all() const { return tensors_; }
  const at::Tensor& value() const { return tensors_[0]; }

 private:
  std::array<at::Tensor, kTensorRoles> tensors_;
};

/// What a layer asks of the kernels beside its tensors.
struct AttentionCall {
  AttentionKind kind = AttentionKind::kGat;
  const PreparedGraph* graph = nullptr;  ///< outlives the backward
  const KernelTable* kernels = nullptr;
  std::int64_t rows = 0;   ///< R
  std::int64_t edges = 0;  ///< E of the first R rows
  double negative_slope = 0.2;
  double scale = 1;
  DropoutArgs attention_dropout;
  DropoutArgs message_dropout;
  bool epilogue = false;  ///< the result is y = activation(O + bias + residual) instead of O
  FusedActivation activation = FusedActivation::kNone;
  bool logsumexp = false;  ///< L is wanted as a result
  std::int64_t layer = 0;  ///< for messages
};

struct AttentionResult {
  at::Tensor out;        ///< O or y [R,H,D]
  at::Tensor edge_out;   ///< (w) [R,H,Fe] where there is an edge query: sum_j alpha_ij m_ij x_ij
  at::Tensor logsumexp;  ///< (w) [R,Hs] where wanted; 0 in rows without edges
};

/// Differentiable in all tensors but edge x, and through all results. Keeps for the backward what
/// the kernels read there: inputs, O, L and, for gat, C. Throws Error(kUsage) naming layer, tensor
/// and shapes where they do not fit together.
AttentionResult attend(const AttentionCall& call, const AttentionTensors& tensors);

/// alpha (w) [E,Hs] before dropout and L (w) [R,Hs]; not differentiable. Edges are those of the
/// first R rows.
struct AttentionWeights {
  at::Tensor alpha;
  at::Tensor logsumexp;
};
AttentionWeights attention_weights(const AttentionCall& call, const AttentionTensors& tensors);

/// Called by both: Error(kUsage) for an absent tensor or one of another shape or type.
void check_attention_tensors(const AttentionCall& call, const AttentionTensors& tensors);

}  // namespace regatta
