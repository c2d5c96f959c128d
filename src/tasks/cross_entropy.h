// Weighted cross-entropy of chosen rows of logits, softmax and sum in one pass.
#pragma once

#include "nn/batch.h"

#include <ATen/core/Tensor.h>

namespace regatta {

/// Sum over targets of w[label] * -log softmax(logits[row])[label], a scalar of the type of
/// `logits` [N,C], differentiable in them. `class_weight` [C] fp64 on the CPU, undefined = ones.
/// On the CPU the sum runs in fp64 over fixed blocks of targets, so its bits depend on nothing
/// else.
at::Tensor cross_entropy_sum(const at::Tensor& logits,
                             const TargetRows& targets,
                             const at::Tensor& class_weight);

}  // namespace regatta
