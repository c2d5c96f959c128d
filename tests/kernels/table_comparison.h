// What tests of whole tables share: the kinds and types they run over, and how results are
// compared.
#pragma once

#include "kernels/attention_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace regatta::test {

struct KindAndType {
  CaseOptions kind;
  KernelType dtype;

  std::string name() const { return kind_name(kind) + "_" + type_name(dtype); }
};

inline std::vector<KindAndType> kinds_and_types() {
  std::vector<KindAndType> all;
  for (const CaseOptions& kind : all_kinds())
    for (const auto dtype : {KernelType::kFloat32, KernelType::kFloat64, KernelType::kBFloat16})
      all.push_back({kind, dtype});
  return all;
}

/// The error_limit of lists of 10^4 edges and more: in fp32 their sums, term by term, round more
/// than those of short rows.
inline double hub_error_limit(const CaseOptions& options) {
  return std::max(error_limit(options), options.dtype == KernelType::kFloat32 ? 3e-5 : 0);
}

inline void expect_close(const Arrays& found,
                         const Arrays& expected,
                         const AttentionCase& test,
                         double limit) {
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [name, values] : expected)
    EXPECT_LE(
        relative_error(found.at(name), values, error_floor(name, values.size(), test.width, limit)),
        limit)
        << name;
}

}  // namespace regatta::test
