// Which instruction sets the CPU kernels are compiled for; include before any Highway header.
#pragma once

// One build each for plain C++, AVX2 and AVX-512 (NEON on Arm): more would only lengthen
// compilation. SVE and RVV are out because the kernels keep small arrays of vectors.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
