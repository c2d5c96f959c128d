// Lists of 10^5 edges, which the CUDA kernels cut into some hundred pieces, beside lists of none
// and of one: the CUDA table of this program (the warp executor's or a GPU's) against the
// reference.
#include "kernels/attention_case.h"
#include "kernels/kernel_variants.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace regatta::test {
namespace {

/// Row 2 has 200,000 in-edges and source 0 at least every second of them; rows of 0 and 1 edges
/// before, behind and at both ends.
GraphShape both_hubs() {
  GraphShape shape{"both_hubs", 60, {0, 1, 200'000, 1, 0, 3, 8, 9, 1, 0}};
  shape.low_sources = 1;
  return shape;
}

struct Setting {
  CaseOptions kind;
  KernelType dtype;
};

std::vector<Setting> settings() {
  std::vector<Setting> all;
  for (const CaseOptions& kind : all_kinds())
    for (const auto dtype : {KernelType::kFloat32, KernelType::kFloat64, KernelType::kBFloat16})
      all.push_back({kind, dtype});
  return all;
}

class CudaHubs : public ::testing::TestWithParam<Setting> {};

/// Narrow rows: the executor takes two seconds a case.
TEST_P(CudaHubs, Of100000EdgesBesideNoneAndOne) {
  CaseOptions options = GetParam().kind;
  options.dtype = GetParam().dtype;
  options.width = 3;
  options.attention_dropout = options.message_dropout = 0.5;
  AttentionCase test = make_case(both_hubs(), options);
  ASSERT_GE(test.graph.out_end(0, test.rows), 100'000);
  // Sums of 10^5 terms: in fp32 they round more than those of short rows.
  const double limit = std::max(error_limit(test), test.dtype == KernelType::kFloat32 ? 3e-5 : 0);
  for (const bool with_correction : {true, false}) {
    if (!with_correction && test.kind != AttentionKind::kGat)
      continue;
    test.with_correction = with_correction;
    SCOPED_TRACE(test.name());
    const Arrays found = run_table(*kernel_variants().front().table, test);
    for (const auto& [name, values] : run_table(reference_kernels(), test))
      EXPECT_LE(relative_error(
                    found.at(name), values, error_floor(name, values.size(), test.width, limit)),
                limit)
          << name;
  }
}

INSTANTIATE_TEST_SUITE_P(AllSettings,
                         CudaHubs,
                         ::testing::ValuesIn(settings()),
                         [](const auto& info) {
                           return kind_name(info.param.kind) + "_" + type_name(info.param.dtype);
                         });

}  // namespace
}  // namespace regatta::test
