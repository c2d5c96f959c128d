// What a model takes from the dataset and the job beside its options.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>

namespace regatta {

struct ModelShape {
  std::int64_t features = 0;  ///< F of the dataset
  std::int64_t outputs = 0;   ///< what `width: 0` of the last layer stands for
  std::uint64_t seed = 0;
  at::ScalarType dtype = at::kFloat;  ///< of parameters: float, or double for fp64
  std::int64_t edge_features = 0;     ///< Fe of the dataset, 0 = none
  std::int64_t edge_types = 0;        ///< relations of the dataset, 0 = none
};

}  // namespace regatta
