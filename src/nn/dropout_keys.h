// DropoutKeys: the keys of a pass's dropouts in memory that kernels read when they run, so that a
// captured step can be replayed with the keys of another step.
#pragma once

#include "core/rng.h"

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>

namespace regatta {

class DropoutKeys {
 public:
  DropoutKeys(int layers, at::Device device);

  /// Where the key of a layer's dropout lies (input, attention or message dropout).
  const std::uint64_t* place(RandomPurpose purpose, std::int64_t layer) const;
  /// Stores the keys of a step; kernels launched from now on read them.
  void store(std::uint64_t seed, std::uint64_t step);

 private:
  at::Tensor keys_;  ///< int64 [layers, 3]
};

}  // namespace regatta
