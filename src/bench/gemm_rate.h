// What dense products reach on this machine.
#pragma once

#include <cstdint>

namespace regatta {

/// FLOP/s of [rows,inner] times [inner,columns] in fp32 (or fp64) by LibTorch on its threads; the
/// best of a few runs.
double measure_gemm_rate(std::int64_t rows,
                         std::int64_t inner,
                         std::int64_t columns,
                         bool fp64 = false);

}  // namespace regatta
