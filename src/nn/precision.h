// Storage, working and parameter types of a model (runtime.precision): rows of tables are of the
// storage type, logits, sums and parameters of the working type.
#pragma once

#include <c10/core/ScalarType.h>

namespace regatta {

/// float for float and bfloat16, double for double: logits, norms, losses, parameters.
inline at::ScalarType working_type(at::ScalarType storage) {
  return storage == at::kDouble ? at::kDouble : at::kFloat;
}

}  // namespace regatta
