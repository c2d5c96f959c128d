// Lists of 10^5 edges, which the CUDA kernels cut into some hundred pieces, beside lists of none
// and of one: the CUDA table of this program (the warp executor's or a GPU's) against the
// reference.
#include "kernels/kernel_variants.h"
#include "kernels/table_comparison.h"

#include <gtest/gtest.h>

namespace regatta::test {
namespace {

/// Row 2 has 200,000 in-edges and source 0 at least every second of them; rows of 0 and 1 edges
/// before, behind and at both ends.
GraphShape both_hubs() {
  GraphShape shape{"both_hubs", 60, {0, 1, 200'000, 1, 0, 3, 8, 9, 1, 0}};
  shape.low_sources = 1;
  return shape;
}

class CudaHubs : public ::testing::TestWithParam<KindAndType> {};

/// Narrow rows: the executor takes two seconds a case.
TEST_P(CudaHubs, Of100000EdgesBesideNoneAndOne) {
  CaseOptions options = GetParam().kind;
  options.dtype = GetParam().dtype;
  options.width = 3;
  options.attention_dropout = options.message_dropout = 0.5;
  AttentionCase test = make_case(both_hubs(), options);
  ASSERT_GE(test.graph.out_end(0, test.rows), 100'000);
  const double limit = hub_error_limit(test);
  for (const bool with_correction : {true, false}) {
    if (!with_correction && test.kind != AttentionKind::kGat)
      continue;
    test.with_correction = with_correction;
    SCOPED_TRACE(test.name());
    expect_close(run_table(*kernel_variants().front().table, test),
                 run_table(reference_kernels(), test),
                 test,
                 limit);
  }
}

INSTANTIATE_TEST_SUITE_P(AllSettings,
                         CudaHubs,
                         ::testing::ValuesIn(kinds_and_types()),
                         [](const auto& info) { return info.param.name(); });

}  // namespace
}  // namespace regatta::test
