// From the gradient of y to that of O, and the products of a row that every backward needs.
#pragma once

#include "kernels/attention.h"

#include <cstddef>

namespace regatta::cpu {

struct OutputGradient {
  const AttentionBackwardArgs* args = nullptr;
  void* grad_out = nullptr;    ///< gets g [R,H,D] past an activation; may be args' grad_residual
  void* delta = nullptr;       ///< gets (w) Delta [R,H] = <g_i, O_i> (+ the edges' part)
  void* correction = nullptr;  ///< gets (w) <g_i, C_i> [R,H]; null: not wanted
  void* bias_parts = nullptr;  ///< bias_parts_bytes, where args has grad_bias
};

std::size_t bias_parts_bytes(const AttentionBackwardArgs& args);

/// Also writes grad_residual and grad_bias (partial sums of fixed pieces of rows, added in order).
void output_gradient(const OutputGradient& pass);

}  // namespace regatta::cpu
