// Input dropout of dense features: one pass that makes the mask and multiplies.
#pragma once

#include "kernels/attention.h"

#include <cstdint>

namespace regatta {

struct FeatureDropoutArgs {
  KernelType dtype = KernelType::kFloat32;  ///< fp32 or fp64
  std::int64_t rows = 0;                    ///< N
  std::int64_t width = 0;                   ///< F
  const std::int64_t* global_id = nullptr;  ///< [N]
  DropoutArgs dropout;                      ///< counter (global id, feature/4), word feature%4
  const void* x = nullptr;                  ///< [N,F]
  void* out = nullptr;                      ///< [N,F]: mask (.) x; may be x itself
};

/// In host memory. The backward is the same call on the gradient. Equal bits for any number of
/// threads.
void feature_dropout(const FeatureDropoutArgs& args);

}  // namespace regatta
