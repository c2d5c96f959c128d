// Attention and sparse projection as autograd functions over the kernel table.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "kernels/attention.h"
#include "nn/batch.h"

namespace regatta {

/// What a layer asks of the kernels; tensors come separately because autograd tracks them.
struct AttentionCall {
  AttentionKind kind = AttentionKind::kGat;
  const Batch* batch = nullptr;
  std::int64_t rows = 0;  ///< R
  double negative_slope = 0.2;
  double scale = 1;
  DropoutArgs attention_dropout;
  DropoutArgs message_dropout;
};

/// O [R,H,D] from z [N,H,D] and, for gat, s [N,H], t [R,H]. Differentiable in all three.
at::Tensor attend(const AttentionCall& call,
                  const at::Tensor& z,
                  const at::Tensor& source_logit,
                  const at::Tensor& destination_logit);

/// alpha [E,H] before dropout, not differentiable; the edges are those of the first R rows.
at::Tensor attention_weights(const AttentionCall& call,
                             const at::Tensor& z,
                             const at::Tensor& source_logit,
                             const at::Tensor& destination_logit);

/// Y [rows,K] = dropout(X)[:rows] W for the batch's sparse features; differentiable in W [F,K].
at::Tensor sparse_project(const Batch& batch,
                          std::int64_t rows,
                          const at::Tensor& weight,
                          const DropoutArgs& dropout);

}  // namespace regatta
