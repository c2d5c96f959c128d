// Equal bits over repeated runs on a GPU, whose warps end in another order each time. On the warp
// executor, which has one order, cuda_source_test reverses that order instead.
#include "kernels/attention_case.h"
#include "kernels/kernel_variants.h"

#include <gtest/gtest.h>

namespace regatta::test {
namespace {

constexpr int kRuns = 20;

/// More warps than a GPU holds at once, a row of 10^5 edges, and a source of as many.
GraphShape crowded_shape() {
  GraphShape shape{"crowded", 20'000, std::vector<std::int64_t>(15'000, 7)};
  shape.degrees[17] = 100'000;
  shape.degrees[18] = shape.degrees[14'999] = 0;
  shape.low_sources = 1;
  return shape;
}

/// Everything that sums: edge terms, epilogue, gradient of logsumexp.
AttentionCase crowded_case(CaseOptions options, KernelType dtype) {
  options.dtype = dtype;
  options.heads = 4;
  options.width = 8;
  options.attention_dropout = 0.3;
  options.message_dropout = 0.4;
  options.edge_logit = options.epilogue = options.logsumexp_gradient = true;
  options.edge_features = options.kind == AttentionKind::kGat ? 0 : 2;
  return make_case(crowded_shape(), options);
}

class CudaRepeats : public ::testing::TestWithParam<KernelType> {};

TEST_P(CudaRepeats, NeverChangeBits) {
  const KernelTable& table = *kernel_variants().front().table;
  for (const CaseOptions& kind : all_kinds())
    for (const bool with_correction : {true, false}) {
      if (!with_correction && kind.kind != AttentionKind::kGat)
        continue;
      AttentionCase test = crowded_case(kind, GetParam());
      test.with_correction = with_correction;
      SCOPED_TRACE(test.name());
      const Arrays first = run_table(table, test);
      for (int run = 1; run < kRuns; ++run)
        EXPECT_TRUE(same_bits(run_table(table, test), first)) << "run " << run;
    }
}

INSTANTIATE_TEST_SUITE_P(AllTypes,
                         CudaRepeats,
                         ::testing::Values(KernelType::kFloat32,
                                           KernelType::kFloat64,
                                           KernelType::kBFloat16),
                         [](const auto& info) { return type_name(info.param); });

}  // namespace
}  // namespace regatta::test
