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
  /// [N, (F+63)/64]: bit f%64 of word f/64. Null, or written for later calls, which with `known`
  /// read it in place of random numbers where a device can.
  std::uint64_t* kept = nullptr;
  bool known = false;
};

/// In host memory. The backward is the same call on the gradient. Equal bits for any number of
/// threads.
void feature_dropout(const FeatureDropoutArgs& args);

}  // namespace regatta
