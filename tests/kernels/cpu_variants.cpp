#include "kernels/kernel_variants.h"

namespace regatta::test {

std::vector<KernelVariant> kernel_variants() {
  return {{"cpu", &cpu_kernels(), 0},
          {"cpu, at most AVX2", &cpu_kernels(), HWY_AVX2 | HWY_SCALAR | HWY_EMU128},
          {"cpu, plain", &cpu_kernels(), HWY_SCALAR | HWY_EMU128}};
}

}  // namespace regatta::test
