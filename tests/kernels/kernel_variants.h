// The tables that the conformance tests of a program run: one row each, and one for each
// instruction set of the cpu table.
#pragma once

#include "core/amx.h"
#include "kernels/attention.h"

#include <hwy/targets.h>

#include <cstdint>
#include <string>
#include <vector>

namespace regatta::test {

/// A table and the Highway targets it may use (0: the machine's best).
struct KernelVariant {
  std::string name;
  const KernelTable* table;
  std::int64_t targets;
};

/// Of the program: cpu_variants.cpp, cuda_source_variants.cpp or cuda_device_variants.cpp.
std::vector<KernelVariant> kernel_variants();

/// Restricts run-time dispatch while it lives; no AMX then either.
class TargetScope {
 public:
  explicit TargetScope(std::int64_t targets) {
    if (targets == 0)
      return;
    hwy::SetSupportedTargetsForTest(hwy::SupportedTargets() & targets);
    allow_amx(false);
  }
  ~TargetScope() {
    hwy::SetSupportedTargetsForTest(0);
    allow_amx(true);
  }
  TargetScope(const TargetScope&) = delete;
  TargetScope& operator=(const TargetScope&) = delete;
};

}  // namespace regatta::test
