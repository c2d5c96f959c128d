// What dense products reach on this machine.
#pragma once

#include <ATen/core/ScalarType.h>

#include <cstdint>

namespace regatta {

/// FLOP/s of [rows,inner] times [inner,columns] with x and y of the type, by LibTorch or by the
/// layers' products (nn/dense_product.h), whichever is faster; the best of a few runs.
double measure_gemm_rate(std::int64_t rows,
                         std::int64_t inner,
                         std::int64_t columns,
                         at::ScalarType type = at::kFloat);

}  // namespace regatta
